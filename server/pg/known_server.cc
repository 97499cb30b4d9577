#include "pg/known_server.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "pg/sqlstate.h"

namespace vigil::pg {
namespace {

constexpr const char* kDefaultPort = "5432";

// The parts between the commas; none of an empty text.
std::vector<std::string> Split(const std::string& list) {
  std::vector<std::string> parts;
  if (list.empty()) return parts;
  for (size_t begin = 0;;) {
    const size_t comma = list.find(',', begin);
    parts.push_back(list.substr(begin, comma - begin));
    if (comma == std::string::npos) return parts;
    begin = comma + 1;
  }
}

std::string Joined(const std::vector<std::string>& parts, const std::vector<size_t>& order) {
  std::string list;
  for (const size_t place : order) {
    if (place != order.front()) list += ',';
    list += parts[place];
  }
  return list;
}

}  // namespace

Result<void> KnownServer::Admit(const ServerIdentity& server) {
  std::lock_guard lock(mutex_);
  if (system_.empty()) system_ = server.system;
  if (server.system != system_) {
    Error error = DatabaseUnavailable(
        fmt::format("this is another database: its system identifier is {}, and that of the one "
                    "this process works on is {}",
                    server.system, system_));
    error.hint =
        "Correct the connection string or the address behind it. If the database was replaced on "
        "purpose, restart this process.";
    return Fail(std::move(error));
  }
  const uint32_t highest = timeline_.load();
  if (server.timeline < highest) {
    Error error = DatabaseUnavailable(
        fmt::format("this server is on timeline {}, and timeline {} of the same database has been "
                    "seen: it is an old primary",
                    server.timeline, highest));
    error.hint =
        "Stop that server, or take it out of the connection string: what it acknowledges is lost.";
    return Fail(std::move(error));
  }
  timeline_.store(server.timeline);
  return {};
}

void KnownServer::Note(const pg_conn* connection, bool good) {
  const char* host = PQhost(connection);
  const char* port = PQport(connection);
  if (host != nullptr && port != nullptr) Note(ServerAddress{host, port}, good);
}

void KnownServer::Note(const ServerAddress& address, bool good) {
  std::lock_guard lock(mutex_);
  if (good) {
    refused_.erase(address);
  } else {
    refused_[address] = ++refusals_;
  }
}

std::vector<std::pair<std::string, std::string>> KnownServer::Reorder(
    const std::string& conninfo) const {
  std::lock_guard lock(mutex_);
  if (refused_.empty()) return {};
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> parsed(
      PQconninfoParse(conninfo.c_str(), nullptr), &PQconninfoFree);
  if (!parsed) return {};
  const auto list = [&](std::string_view keyword) {
    for (const PQconninfoOption* option = parsed.get(); option->keyword != nullptr; ++option) {
      if (option->keyword == keyword && option->val != nullptr) return Split(option->val);
    }
    return std::vector<std::string>();
  };
  const std::vector<std::string> hosts = list("host");
  const std::vector<std::string> addresses = list("hostaddr");
  std::vector<std::string> ports = list("port");
  const size_t count = std::max(hosts.size(), addresses.size());
  if (count < 2) return {};
  if (ports.empty()) ports.emplace_back();
  if (ports.size() == 1) ports.resize(count, ports.front());
  if (ports.size() != count) return {};  // libpq refuses it, and says why

  const auto refused_at = [&](size_t place) -> uint64_t {
    const bool named = place < hosts.size() && !hosts[place].empty();
    const auto found = refused_.find({named ? hosts[place] : addresses[place],
                                      ports[place].empty() ? kDefaultPort : ports[place]});
    return found == refused_.end() ? 0 : found->second;
  };
  std::vector<size_t> order(count);
  for (size_t place = 0; place < count; ++place) order[place] = place;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return refused_at(a) < refused_at(b); });
  std::vector<std::pair<std::string, std::string>> reordered{{"port", Joined(ports, order)}};
  if (!hosts.empty()) reordered.emplace_back("host", Joined(hosts, order));
  if (!addresses.empty()) reordered.emplace_back("hostaddr", Joined(addresses, order));
  return reordered;
}

}  // namespace vigil::pg
