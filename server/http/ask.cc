#include "http/ask.h"

#include <fmt/format.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include "base/address.h"

namespace vigil {
namespace {

namespace http = boost::beast::http;
using boost::asio::ip::tcp;
using boost::system::error_code;

constexpr uint64_t kLargestBody = 64 * 1024;
constexpr size_t kLargestRead = 2 * kLargestBody;

// What is listened on everywhere is asked here.
HostPort EndpointOf(const std::string& address) {
  HostPort endpoint = SplitAddress(address);
  if (endpoint.host == "0.0.0.0") endpoint.host = "127.0.0.1";
  if (endpoint.host == "::") endpoint.host = "::1";
  return endpoint;
}

Error Unanswered(Code code, const std::string& address, std::string_view why) {
  return Error{.code = code,
               .message = fmt::format("{} does not answer: {}", address, why),
               .hint =
                   "See whether vigild runs, and whether it serves HTTP at that address "
                   "(--http-listen)."};
}

// Connects, writes, reads; the first step that fails is the last.
class Question {
 public:
  Question(const HostPort& to, const std::string& target)
      : request_(http::verb::get, target, 11), found_(Find(to)) {
    request_.set(http::field::host, to.host + ":" + to.port);
    request_.set(http::field::connection, "close");
    parser_.body_limit(kLargestBody);
  }

  // False when it was not over within this time.
  bool Run(Duration patience) {
    if (error_) return true;
    boost::asio::async_connect(socket_, found_, [this](const error_code& error, const auto&) {
      if (!Failed(error)) Write();
    });
    context_.run_for(patience);
    return context_.stopped();
  }

  const error_code& error() const { return error_; }
  HttpReply reply() const {
    return {static_cast<int>(parser_.get().result_int()), parser_.get().body()};
  }

 private:
  tcp::resolver::results_type Find(const HostPort& to) {
    return tcp::resolver(context_).resolve(to.host, to.port, error_);
  }

  bool Failed(const error_code& error) {
    error_ = error;
    return error_.failed();
  }

  void Write() {
    http::async_write(socket_, request_, [this](const error_code& error, size_t) {
      if (!Failed(error)) Read();
    });
  }

  void Read() {
    http::async_read(socket_, buffer_, parser_,
                     [this](const error_code& error, size_t) { Failed(error); });
  }

  boost::asio::io_context context_{1};
  tcp::socket socket_{context_};
  http::request<http::empty_body> request_;
  boost::beast::flat_buffer buffer_{kLargestRead};
  http::response_parser<http::string_body> parser_;
  error_code error_;
  const tcp::resolver::results_type found_;
};

}  // namespace

Result<HttpReply> Ask(const std::string& address, const std::string& target, Duration patience) {
  Question question(EndpointOf(address), target);
  if (!question.Run(patience)) {
    return Fail(Unanswered(
        Code::kDeadlineExceeded, address,
        fmt::format("nothing whole within {} s",
                    std::chrono::duration_cast<std::chrono::seconds>(patience).count())));
  }
  if (question.error()) {
    return Fail(Unanswered(Code::kUnavailable, address, question.error().message()));
  }
  return question.reply();
}

}  // namespace vigil
