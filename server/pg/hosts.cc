#include "pg/hosts.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <map>
#include <memory>

#include "pg/connecting.h"
#include "pg/sqlstate.h"

namespace vigil::pg {
namespace {

constexpr const char* kDefaultPort = "5432";

std::string Quoted(const std::string& value) {
  std::string quoted = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "'";
}

std::string NameOf(const std::string& host, const std::string& port) {
  if (host.empty()) return "the host that libpq finds by itself";
  if (host.starts_with('/')) return host;
  return host + ":" + (port.empty() ? kDefaultPort : port);
}

bool AwaitSocket(int socket, PostgresPollingStatusType status, Instant until) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(until - SystemClock().Now()).count();
  if (left <= 0) return false;
  pollfd entry{socket, static_cast<short>(status == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
  // What is interrupted is asked again.
  return poll(&entry, 1, static_cast<int>(std::min<int64_t>(left, 60'000))) != 0;
}

std::string_view TextOf(const char* text) { return text == nullptr ? "" : text; }

}  // namespace

std::string HostFacts::Version() const {
  return fmt::format("{}.{}", version / 10000, version % 10000);
}

Result<std::vector<Host>> HostsOf(const std::string& conninfo) {
  const auto listed = HostListOf(conninfo);
  if (!listed) return Fail(listed.error());
  if (listed->empty()) return std::vector<Host>{{NameOf("", ""), conninfo}};
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> parsed(
      PQconninfoParse(conninfo.c_str(), nullptr), &PQconninfoFree);
  std::map<std::string, std::string> keywords;
  for (const PQconninfoOption* option = parsed.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) keywords[option->keyword] = option->val;
  }
  keywords["target_session_attrs"] = "any";
  std::vector<Host> all;
  for (const auto& [name, address, port] : *listed) {
    keywords["host"] = name;
    keywords["hostaddr"] = address;
    keywords["port"] = port;
    Host host;
    host.name = NameOf(name.empty() ? address : name, port);
    for (const auto& [keyword, value] : keywords) {
      if (!value.empty()) host.conninfo += fmt::format("{}={} ", keyword, Quoted(value));
    }
    all.push_back(std::move(host));
  }
  return all;
}

Result<HostFacts> LookAt(const Host& host, Duration deadline) {
  const Instant until = SystemClock().Now() + deadline;
  auto connection = FindAndStartConnecting({.conninfo = host.conninfo}, until);
  if (!connection) return Fail(std::move(connection.error()));
  PGconn* conn = connection->get();
  for (auto status = PGRES_POLLING_WRITING; status != PGRES_POLLING_OK;
       status = PQconnectPoll(conn)) {
    if (status == PGRES_POLLING_FAILED) return Fail(ConnectError(conn));
    if (!AwaitSocket(PQsocket(conn), status, until)) {
      Error late = ConnectError(conn);
      late.message = fmt::format("it does not answer within {}", Milliseconds(deadline));
      return Fail(std::move(late));
    }
  }
  HostFacts facts;
  const std::string reached(TextOf(PQhost(conn)));
  const std::string_view address = TextOf(PQhostaddr(conn));
  facts.local = reached.starts_with('/') || address.starts_with("127.") || address == "::1";
  facts.where = NameOf(reached, std::string(TextOf(PQport(conn))));
  facts.version = PQserverVersion(conn);
  facts.in_recovery = TextOf(PQparameterStatus(conn, "in_hot_standby")) == "on";
  if (PQsslInUse(conn) != 0) facts.tls = TextOf(PQsslAttribute(conn, "protocol"));
  return facts;
}

}  // namespace vigil::pg
