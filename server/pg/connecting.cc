#include "pg/connecting.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include "base/check.h"
#include "pg/sqlstate.h"

namespace vigil::pg {
namespace {

constexpr int64_t kOldestVersion =
    140000;  // client_connection_check_interval, idle_session_timeout

// What a caller's conninfo may overrule. Found best by measurement: keepalives notice a silent cut
// while idle, the user timeout while data is unacknowledged; each alone misses the other case.
constexpr std::pair<const char*, const char*> kDefaultKeywords[] = {
    {"keepalives", "1"},       {"keepalives_idle", "1"},     {"keepalives_interval", "1"},
    {"keepalives_count", "2"}, {"tcp_user_timeout", "2500"}, {"target_session_attrs", "read-write"},
};

}  // namespace

const Statement kSetUpSession{
    "set_up_session",
    "SELECT (SELECT count(set_config(name, value, false))"
    "          FROM unnest($1::text[], $2::text[]) AS setting(name, value)),"
    "       pg_is_in_recovery(), current_setting('server_version_num')::bigint,"
    "       pg_backend_pid()"};

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

// libpq's own message about a malformed string quotes it, with the password in it.
Result<void> CheckConninfo(const std::string& conninfo) {
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> parsed(
      PQconninfoParse(conninfo.c_str(), nullptr), &PQconninfoFree);
  if (parsed) return {};
  Error malformed = DatabaseUnavailable("the connection string of the database is malformed");
  malformed.hint =
      "Write it as `keyword=value` pairs, with values that hold spaces or quotes in single quotes, "
      "or as a URI with special characters percent-encoded.";
  return Fail(std::move(malformed));
}

Result<ConnectionHandle> StartConnecting(const ConnectOptions& options) {
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
  add("client_encoding", "UTF8");
  if (!options.application_name.empty()) add("application_name", options.application_name.c_str());
  add(nullptr, nullptr);

  ConnectionHandle connection(
      PQconnectStartParams(keywords.data(), values.data(), /*expand_dbname=*/1));
  VIGIL_CHECK(connection != nullptr);  // out of memory
  PQsetNoticeReceiver(
      connection.get(), [](void*, const PGresult*) {}, nullptr);  // no stderr
  if (PQstatus(connection.get()) == CONNECTION_BAD) {
    return Fail(DatabaseUnavailable(ConnectionMessage(connection.get())));
  }
  return connection;
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

Result<void> CheckSession(const pg_conn* connection, const Rows& answer) {
  VIGIL_CHECK(answer.size() == 1);
  Row row = answer[0];
  row.Skip();
  const bool in_recovery = row.Bool();
  const int64_t version = row.Bigint();
  const int64_t backend = row.Bigint();
  if (in_recovery) return Fail(DatabaseUnavailable("the server is in recovery (a standby)"));
  if (version < kOldestVersion) {
    Error error = DatabaseUnavailable(
        fmt::format("PostgreSQL {} is too old: 14 or later is needed", version / 10000));
    error.hint = "Upgrade the server.";
    return Fail(std::move(error));
  }
  if (backend != PQbackendPID(connection)) {
    Error error = DatabaseUnavailable("a pooler stands between this process and Postgres");
    error.hint =
        "Connect to Postgres itself: locks and notifications belong to a session, which a pooler "
        "shares.";
    return Fail(std::move(error));
  }
  return {};
}

}  // namespace vigil::pg
