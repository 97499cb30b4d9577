#include "pg/known_server.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>

#include "pg/sqlstate.h"

namespace vigil::pg {
namespace {

constexpr const char* kDefaultPort = "5432";

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

void KnownServer::Reorder(HostList& hosts) const {
  std::lock_guard lock(mutex_);
  std::ranges::stable_sort(hosts, {}, [this](const ListedHost& host) -> uint64_t {
    const auto found = refused_.find({host.host.empty() ? host.hostaddr : host.host,
                                      host.port.empty() ? kDefaultPort : host.port});
    return found == refused_.end() ? 0 : found->second;
  });
}

}  // namespace vigil::pg
