#include "pg/connecting.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <regex>
#include <sstream>
#include <string_view>

#include "base/check.h"
#include "pg/sqlstate.h"

namespace vigil::pg {
namespace {

// For client_connection_check_interval and idle_session_timeout.
constexpr int kOldestVersion = 140000;

// What a caller's conninfo may overrule. Found best by measurement: keepalives notice a silent cut
// while idle, the user timeout while data is unacknowledged; each alone misses the other case.
constexpr std::pair<const char*, const char*> kDefaultKeywords[] = {
    {"keepalives", "1"},       {"keepalives_idle", "1"},     {"keepalives_interval", "1"},
    {"keepalives_count", "2"}, {"tcp_user_timeout", "2500"}, {"target_session_attrs", "read-write"},
};

using Options = std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)>;

// Null when libpq cannot read it.
Options Parse(const std::string& conninfo) {
  return {PQconninfoParse(conninfo.c_str(), nullptr), &PQconninfoFree};
}

std::string_view ValueOf(const PQconninfoOption* options, std::string_view keyword) {
  for (; options->keyword != nullptr; ++options) {
    if (keyword == options->keyword) return options->val == nullptr ? "" : options->val;
  }
  return "";
}

// One for each host, or one for all; an empty one is the default.
bool PortsAreNumbers(std::string_view ports) {
  return ports.find_first_not_of("0123456789, ") == std::string_view::npos;
}

// What stands in a URI between its scheme and its parameters; empty when the text is no URI.
std::string_view BodyOfUri(std::string_view conninfo) {
  if (!conninfo.starts_with("postgresql://") && !conninfo.starts_with("postgres://")) return "";
  const std::string_view body = conninfo.substr(conninfo.find("://") + 3);
  return body.substr(0, body.find('?'));
}

// The `@` of a URI is one, before its path.
bool HasStrayAt(std::string_view conninfo) {
  const std::string_view body = BodyOfUri(conninfo);
  const size_t at = body.rfind('@');
  return at != std::string_view::npos && (body.find('@') != at || body.find('/') < at);
}

}  // namespace

// set_config answers with the value that is in force afterwards, which for the settings of a socket
// is what the system says of it. The timeline is that of the writes: a standby has none.
const Statement kSetUpSession{
    "set_up_session",
    "WITH put AS MATERIALIZED ("
    "  SELECT name, set_config(name, value, false) AS value"
    "    FROM unnest($1::text[], $2::text[]) AS setting(name, value)) "
    "SELECT (SELECT coalesce(string_agg(name || '=' || value, E'\\n'), '') FROM put),"
    "       pg_is_in_recovery(), pg_backend_pid(),"
    "       (SELECT system_identifier::text FROM pg_control_system()),"
    "       CASE WHEN pg_is_in_recovery() THEN 0"
    "            ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint END",
    /*once=*/true};

std::string Milliseconds(Duration duration) {
  return fmt::format("{}ms",
                     std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

std::vector<std::pair<std::string, std::string>> SettingsForRequests(Duration deadline) {
  return {
      // A lock that is not granted ends the statement before the caller's deadline ends the
      // connection.
      {"lock_timeout", Milliseconds(deadline * 3 / 4)},
      {"statement_timeout", Milliseconds(deadline)},
      {"idle_in_transaction_session_timeout", Milliseconds(deadline)},
      {"synchronous_commit", "on"},
      // Statements find rows by their keys: one plan serves whatever the parameters are.
      {"plan_cache_mode", "force_generic_plan"},
      // And a table that was small when it was planned, or when it was analyzed, may have grown:
      // what reads all of it, or all that an index has of a namespace, looks cheap then.
      {"enable_seqscan", "off"},
      {"enable_bitmapscan", "off"},
      // To compile one takes seconds, and a table that nobody has analyzed makes it look worth
      // that.
      {"jit", "off"},
  };
}

std::vector<std::pair<std::string, std::string>> SettingsForDetection() {
  return {
      {"client_connection_check_interval", "500ms"},
      {"tcp_keepalives_idle", "1"},
      {"tcp_keepalives_interval", "1"},
      {"tcp_keepalives_count", "2"},
      {"tcp_user_timeout", "2500ms"},
  };
}

void Finish::operator()(pg_conn* connection) const { PQfinish(connection); }

bool MayHoldPassword(const std::string& conninfo) {
  const auto options = Parse(conninfo);
  if (!options || !ValueOf(options.get(), "password").empty()) return true;
  const std::string_view body = BodyOfUri(conninfo);
  const size_t at = body.rfind('@');
  return at != std::string_view::npos && body.find(':') < at;
}

// libpq's own messages quote what is malformed, and that may be a password.
Result<void> CheckConninfo(const std::string& conninfo) {
  const auto options = Parse(conninfo);
  if (options && PortsAreNumbers(ValueOf(options.get(), "port")) && !HasStrayAt(conninfo))
    return {};
  Error malformed = DatabaseUnavailable("the connection string of the database is malformed");
  malformed.hint =
      "Write it as `keyword=value` pairs, with values that hold spaces or quotes in single quotes, "
      "or as a URI with special characters percent-encoded.";
  return Fail(std::move(malformed));
}

Result<ConnectionHandle> StartConnecting(const ConnectOptions& options, HostList hosts) {
  if (auto checked = CheckConninfo(options.conninfo); !checked) {
    return Fail(std::move(checked.error()));
  }
  std::vector<const char*> keywords;
  std::vector<const char*> values;
  const auto add = [&](const char* keyword, const char* value) {
    keywords.push_back(keyword);
    values.push_back(value);
  };
  for (const auto& [keyword, value] : kDefaultKeywords) add(keyword, value);
  add("dbname", options.conninfo.c_str());  // expanded: what stands after it wins over it
  if (options.known != nullptr) options.known->Reorder(hosts);
  const auto places = KeywordsOf(hosts);
  for (const auto& [keyword, value] : places) add(keyword.c_str(), value.c_str());
  add("client_encoding", "UTF8");
  if (!options.application_name.empty()) add("application_name", options.application_name.c_str());
  add(nullptr, nullptr);

  ConnectionHandle connection(
      PQconnectStartParams(keywords.data(), values.data(), /*expand_dbname=*/1));
  VIGIL_CHECK(connection != nullptr);  // out of memory
  PQsetErrorVerbosity(connection.get(), PQERRORS_VERBOSE);
  PQsetNoticeReceiver(
      connection.get(), [](void*, const PGresult*) {}, nullptr);  // no stderr
  if (PQstatus(connection.get()) == CONNECTION_BAD) {
    return Fail(ConnectError(connection.get()));
  }
  return connection;
}

Result<ConnectionHandle> FindAndStartConnecting(const ConnectOptions& options, Instant deadline) {
  return HostListOf(options.conninfo)
      .and_then([&](HostList hosts) { return options.names.Resolve(std::move(hosts), deadline); })
      .and_then([&](HostList hosts) { return StartConnecting(options, std::move(hosts)); });
}

Params SetUpParams(const ConnectOptions& options) {
  std::vector<std::string> names;
  std::vector<std::string> values;
  const auto add = [&](const auto& settings) {
    for (const auto& [name, value] : settings) {
      names.push_back(name);
      values.push_back(value);
    }
  };
  add(SettingsForDetection());
  add(options.settings);
  return {names, values};
}

Error ConnectError(const pg_conn* connection) {
  const char* text = PQerrorMessage(connection);
  Error error = DatabaseUnavailable(ConnectionMessage(connection));
  // libpq tells the SQLSTATE of a connection that was refused in its verbose text alone, in the
  // same place in every language: "FATAL:  53300: sorry, too many clients already". Of several
  // hosts the last one counts, and where in its source the server says it is for nobody here.
  static const std::regex refusal(R"(:  ([0-9A-Z]{5}): )");
  static const std::regex place(R"(\n[^\n]*\.c:[0-9]+(?=\n|$))");
  std::string message = std::regex_replace(text == nullptr ? "" : text, place, "");
  std::smatch found;
  for (std::string rest = message; std::regex_search(rest, found, refusal);) {
    error.hint = RuleOf(found[1].str()).hint;
    rest = found.suffix();
    error.message = OneLine(message);
  }
  return error;
}

Result<void> CheckVersion(const pg_conn* connection) {
  const int version = PQserverVersion(connection);
  if (version >= kOldestVersion) return {};
  Error error = DatabaseUnavailable(
      fmt::format("PostgreSQL {} is too old: 14 or later is needed", version / 10000));
  error.hint = "Upgrade the server.";
  return Fail(std::move(error));
}

namespace {

Duration SocketOption(int socket, int option, Duration unit) {
  int value = 0;
  socklen_t length = sizeof value;
  const bool known = getsockopt(socket, IPPROTO_TCP, option, &value, &length) == 0;
  return known ? value * unit : Duration::zero();
}

void ReadSocket(int socket, SessionFacts& facts) {
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  facts.tcp = getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) == 0 &&
              address.ss_family != AF_UNIX;
  if (!facts.tcp) return;
  int keepalive = 0;
  length = sizeof keepalive;
  getsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &keepalive, &length);
  if (keepalive != 0) {
    const auto count = SocketOption(socket, TCP_KEEPCNT, Duration(1)).count();
    facts.client_keepalive = SocketOption(socket, TCP_KEEPIDLE, seconds(1)) +
                             count * SocketOption(socket, TCP_KEEPINTVL, seconds(1));
  }
  facts.client_user_timeout = SocketOption(socket, TCP_USER_TIMEOUT, milliseconds(1));
}

Result<SessionFacts> Examine(const pg_conn* connection, const Rows& answer,
                             const ConnectOptions& options) {
  VIGIL_CHECK(answer.size() == 1);
  Row row = answer[0];
  SessionFacts facts;
  std::istringstream settings(row.Text());
  for (std::string line; std::getline(settings, line);) {
    const size_t equals = line.find('=');
    facts.settings.emplace_back(line.substr(0, equals), line.substr(equals + 1));
  }
  const bool in_recovery = row.Bool();
  facts.backend = row.Bigint();
  facts.server.system = row.Text();
  facts.server.timeline = static_cast<uint32_t>(row.Bigint());
  if (in_recovery) {
    Error error = DatabaseUnavailable("the server is in recovery: it is a standby");
    error.hint =
        "Name the primary, or several hosts with target_session_attrs=read-write; or promote this "
        "one.";
    return Fail(std::move(error));
  }
  if (options.refuses_poolers && facts.backend != PQbackendPID(connection)) {
    Error error = DatabaseUnavailable("a pooler stands between this process and Postgres");
    error.hint =
        "Connect to Postgres itself: locks and notifications belong to a session, which a pooler "
        "shares.";
    return Fail(std::move(error));
  }
  if (options.known != nullptr) {
    if (auto admitted = options.known->Admit(facts.server); !admitted) {
      return Fail(std::move(admitted.error()));
    }
  }
  ReadSocket(PQsocket(connection), facts);
  return facts;
}

}  // namespace

Result<SessionFacts> CheckSession(const pg_conn* connection, const Rows& answer,
                                  const ConnectOptions& options) {
  auto facts = Examine(connection, answer, options);
  if (options.known != nullptr) {
    options.known->Note(AddressOf(connection), facts.has_value());
  }
  return facts;
}

}  // namespace vigil::pg
