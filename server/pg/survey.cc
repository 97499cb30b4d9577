#include "pg/survey.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "pg/connection.h"

namespace vigil::pg {
namespace {

// reserved_connections is new in 16. Reserved ones are for superusers, and in part for members of
// pg_use_reserved_connections, whom we do not tell apart.
constexpr Statement kReadCapacity{
    "read_capacity",
    "SELECT current_setting('max_connections')::bigint,"
    "       CASE WHEN role.rolsuper THEN 0"
    "            ELSE current_setting('superuser_reserved_connections')::bigint"
    "                 + coalesce(current_setting('reserved_connections', true), '0')::bigint END,"
    "       least(nullif(role.rolconnlimit, -1), nullif(base.datconnlimit, -1))::bigint,"
    "       current_setting('max_locks_per_transaction')::bigint,"
    "       current_setting('max_prepared_transactions')::bigint"
    "  FROM pg_roles AS role, pg_database AS base"
    " WHERE role.rolname = current_user AND base.datname = current_database()",
    /*once=*/true};

// A time as Postgres writes it: "3s", "500ms", or a number in the setting's own unit.
Duration TimeOf(const std::string& text, Duration unit) {
  static const std::map<std::string, Duration> units{{"ms", std::chrono::milliseconds(1)},
                                                     {"s", std::chrono::seconds(1)},
                                                     {"min", std::chrono::minutes(1)},
                                                     {"h", std::chrono::hours(1)},
                                                     {"d", std::chrono::hours(24)}};
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc()) return Duration::zero();
  const auto named = units.find(std::string(rest, end));
  return number * (named == units.end() ? unit : named->second);
}

// The unit of those settings of which Postgres shows a bare number.
Duration UnitOf(const std::string& setting) {
  return setting.starts_with("tcp_keepalives") ? Duration(std::chrono::seconds(1))
                                               : Duration(std::chrono::milliseconds(1));
}

// What is set twice has its last value.
std::map<std::string, std::string> LastOf(
    const std::vector<std::pair<std::string, std::string>>& settings) {
  std::map<std::string, std::string> last;
  for (const auto& [name, value] : settings) last[name] = value;
  return last;
}

Detection DetectionOf(const SessionFacts& facts, const ConnectOptions& options) {
  const std::map<std::string, std::string> in_force = LastOf(facts.settings);
  const auto time = [&](const std::string& name) {
    const auto found = in_force.find(name);
    return found == in_force.end() ? Duration::zero() : TimeOf(found->second, UnitOf(name));
  };
  Detection detection;
  detection.tcp = facts.tcp;
  detection.client = {facts.client_keepalive, facts.client_user_timeout};
  const int64_t count = time("tcp_keepalives_count") / UnitOf("tcp_keepalives_count");
  const Duration idle = time("tcp_keepalives_idle");
  if (idle > Duration::zero() && count > 0) {
    detection.server.keepalive = idle + count * time("tcp_keepalives_interval");
  }
  detection.server.user_timeout = time("tcp_user_timeout");
  detection.check_interval = time("client_connection_check_interval");
  detection.idle_session_timeout = time("idle_session_timeout");

  // Times, all of them; what else a session is set to does not watch over it.
  auto asked = SettingsForDetection();
  for (const auto& setting : options.settings) {
    if (setting.first == "idle_session_timeout" || setting.first.starts_with("tcp_")) {
      asked.push_back(setting);
    }
  }
  for (const auto& [name, value] : LastOf(asked)) {
    const auto found = in_force.find(name);
    const std::string now = found == in_force.end() ? "" : found->second;
    if (TimeOf(now, UnitOf(name)) != TimeOf(value, UnitOf(name))) {
      detection.ignored.push_back(fmt::format("{}={}", name, now));
    }
  }
  return detection;
}

// Silence while idle and data that is not acknowledged are two cases: each of the two settings
// alone misses one.
std::optional<Duration> EndsSilent(const Watching& watching) {
  if (watching.keepalive <= Duration::zero() || watching.user_timeout <= Duration::zero()) {
    return std::nullopt;
  }
  return std::max(watching.keepalive, watching.user_timeout);
}

}  // namespace

std::optional<Duration> Detection::EndsFrozen() const {
  if (idle_session_timeout <= Duration::zero()) return std::nullopt;
  return idle_session_timeout;
}

std::optional<Duration> Detection::EndsCut() const {
  const auto frozen = EndsFrozen();
  const auto silent = tcp ? EndsSilent(server) : std::nullopt;
  if (!frozen || !silent) return frozen ? frozen : silent;
  return std::min(*frozen, *silent);
}

Duration Detection::NoticedWithin(Duration deadline) const {
  const auto silent = tcp ? EndsSilent(client) : std::nullopt;
  return silent ? std::min(*silent, deadline) : deadline;
}

int64_t Capacity::Connections() const {
  const int64_t open = max_connections - reserved_connections;
  return connection_limit ? std::min(open, *connection_limit) : open;
}

Result<ServerSurvey> Survey(const ConnectOptions& options, Duration deadline) {
  const Instant until = SystemClock().Now() + deadline;
  auto connection = Connection::Open(options, until);
  if (!connection) return Fail(std::move(connection.error().error));
  const auto rows =
      (*connection)->Execute({.steps = {{&kReadCapacity, {}}}, .changes = false}, until);
  if (!rows) return Fail(rows.error().error);
  Row row = rows->front()[0];
  ServerSurvey survey;
  survey.capacity.max_connections = row.Bigint();
  survey.capacity.reserved_connections = row.Bigint();
  if (row.IsNull()) {
    row.Skip();
  } else {
    survey.capacity.connection_limit = row.Bigint();
  }
  survey.capacity.max_locks_per_transaction = row.Bigint();
  survey.capacity.max_prepared_transactions = row.Bigint();
  survey.detection = DetectionOf((*connection)->facts(), options);
  return survey;
}

}  // namespace vigil::pg
