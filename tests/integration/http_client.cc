#include "integration/http_client.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "support/process.h"

namespace vigil {
namespace {

constexpr auto kPatience = std::chrono::seconds(20);

}  // namespace

HttpClient::HttpClient(int port, int receive_buffer)
    : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  if (receive_buffer > 0) {
    setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
}

HttpClient::~HttpClient() { close(socket_); }

void HttpClient::Send(std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    text.remove_prefix(static_cast<size_t>(sent));
  }
}

void HttpClient::Get(std::string_view target, std::string_view headers) {
  Send(fmt::format("GET {} HTTP/1.1\r\nHost: test\r\n{}\r\n", target, headers));
}

void HttpClient::ShutDownSending() { shutdown(socket_, SHUT_WR); }

void HttpClient::Reset() {
  const linger at_once{1, 0};
  setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  close(socket_);
  socket_ = -1;
}

bool HttpClient::ReadMore() {
  std::array<char, 16384> bytes{};
  pollfd readable{socket_, POLLIN, 0};
  if (ended_ ||
      poll(&readable, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) != 1)
    return false;
  const ssize_t count = recv(socket_, bytes.data(), bytes.size(), 0);
  ended_ = count <= 0;
  if (!ended_) read_.append(bytes.data(), static_cast<size_t>(count));
  return !ended_;
}

std::optional<std::string> HttpClient::TakeUpTo(std::string_view end) {
  size_t found = read_.find(end);
  while (found == std::string::npos) {
    if (!ReadMore()) return std::nullopt;
    found = read_.find(end);
  }
  return Take(found + end.size());
}

std::optional<std::string> HttpClient::Take(size_t bytes) {
  while (read_.size() < bytes) {
    if (!ReadMore()) return std::nullopt;
  }
  std::string taken = read_.substr(0, bytes);
  read_.erase(0, bytes);
  return taken;
}

std::optional<std::string> HttpClient::TakeRest() {
  while (ReadMore()) {
  }
  if (!ended_) return std::nullopt;
  return std::exchange(read_, {});
}

HttpResponse TakeResponse(HttpClient& client) {
  HttpResponse response;
  response.head = client.TakeUpTo("\r\n\r\n").value_or("");
  if (response.head.size() > 12) response.status = std::atoi(response.head.c_str() + 9);
  const size_t length = response.head.find("Content-Length: ");
  if (length != std::string::npos) {
    const auto bytes = std::strtoul(response.head.c_str() + length + 16, nullptr, 10);
    response.body = client.Take(bytes).value_or("");
  }
  return response;
}

HttpResponse Fetch(int port, std::string_view target, std::string_view headers) {
  HttpClient client(port);
  client.Get(target, headers);
  return TakeResponse(client);
}

EventStream::EventStream(int port, std::string_view target, std::string_view headers,
                         int receive_buffer)
    : client_(port, receive_buffer) {
  client_.Get(target, headers);
  head_ = client_.TakeUpTo("\r\n\r\n").value_or("");
  if (head_.size() > 12) status_ = std::atoi(head_.c_str() + 9);
}

std::optional<std::string> EventStream::NextLine() {
  size_t end = body_.find('\n');
  while (end == std::string::npos) {
    const auto size = client_.TakeUpTo("\r\n");
    if (!size) return std::nullopt;
    const auto bytes = std::strtoul(size->c_str(), nullptr, 16);
    const auto chunk = client_.Take(bytes + 2);
    if (!chunk) return std::nullopt;
    if (bytes == 0) {
      complete_ = true;
      return std::nullopt;
    }
    body_ += chunk->substr(0, bytes);
    end = body_.find('\n');
  }
  std::string line = body_.substr(0, end);
  body_.erase(0, end + 1);
  return line;
}

std::optional<StreamBlock> EventStream::NextBlock() {
  StreamBlock block;
  for (auto line = NextLine(); line; line = NextLine()) {
    if (line->empty()) {
      block.last_event_id = last_event_id_;
      return block;
    }
    const size_t colon = line->find(": ");
    const std::string field = line->substr(0, colon);
    const std::string value = line->substr(colon + 2);
    if (field.empty()) ++comments_;
    if (field == "event") block.event = value;
    if (field == "data") block.data = value;
    if (field == "id") last_event_id_ = value;
    if (field == "retry") retry_ = value;
  }
  return std::nullopt;
}

std::optional<StreamBlock> EventStream::Next() {
  auto block = NextBlock();
  while (block && block->data.empty()) block = NextBlock();
  return block;
}

std::optional<StreamBlock> EventStream::Await(std::string_view event) {
  // Heartbeats come for ever.
  const Instant limit = Now() + kPatience;
  auto block = Next();
  while (block && block->event != event && Now() < limit) block = Next();
  if (block && block->event != event) return std::nullopt;
  return block;
}

bool EventStream::AwaitId(std::string_view id) {
  const Instant limit = Now() + kPatience;
  while (last_event_id_ != id && Now() < limit && NextBlock()) {
  }
  return last_event_id_ == id;
}

}  // namespace vigil
