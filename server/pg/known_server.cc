#include "pg/known_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>

#include "pg/sqlstate.h"

namespace vigil::pg {
namespace {

constexpr const char* kDefaultPort = "5432";

std::string TextOf(const char* text) { return text == nullptr ? "" : text; }

// As libpq writes it; nothing for what is no address.
std::string Canonical(const std::string& text) {
  in6_addr address{};  // has room for both
  char canonical[INET6_ADDRSTRLEN];
  for (const int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, text.c_str(), &address) == 1) {
      return TextOf(inet_ntop(family, &address, canonical, sizeof canonical));
    }
  }
  return "";
}

ServerAddress AddressOf(const ListedHost& host) {
  const std::string& name = host.host.empty() ? host.hostaddr : host.host;
  return {name, Canonical(host.hostaddr.empty() ? name : host.hostaddr),
          host.port.empty() ? kDefaultPort : host.port};
}

}  // namespace

ServerAddress AddressOf(const pg_conn* connection) {
  return {TextOf(PQhost(connection)), TextOf(PQhostaddr(connection)), TextOf(PQport(connection))};
}

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

void KnownServer::Note(const ServerAddress& address, bool good) {
  std::lock_guard lock(mutex_);
  if (good) {
    refused_.erase(address);
  } else {
    refused_[address] = ++refusals_;
  }
}

void KnownServer::Reorder(HostList& hosts) const {
  std::lock_guard lock(mutex_);
  std::ranges::stable_sort(hosts, {}, [this](const ListedHost& host) -> uint64_t {
    const auto found = refused_.find(AddressOf(host));
    return found == refused_.end() ? 0 : found->second;
  });
}

}  // namespace vigil::pg
