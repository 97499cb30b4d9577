#include "store/postgres/running_servers.h"

#include "pg/connection.h"

namespace vigil {
namespace {

constexpr pg::Statement kHasCoordinators{"has_coordinators",
                                         "SELECT to_regclass('vigil.coordinators') IS NOT NULL"};

// By way of JSON, since an earlier schema has not got these columns. A server then knows what it
// was migrated to, and nothing later.
constexpr pg::Statement kReadRunning{
    "read_running",
    "SELECT coordinator, address, coalesce(to_jsonb(c) ->> 'version', ''),"
    "       coalesce((to_jsonb(c) ->> 'schema_level')::bigint,"
    "                (SELECT max(version) FROM vigil.schema_migrations))"
    "  FROM vigil.coordinators AS c"
    " WHERE state = 'ALIVE' AND renewed_at > clock_timestamp() - $1 ORDER BY coordinator"};

}  // namespace

Result<std::vector<RunningServer>> ReadRunningServers(const std::string& conninfo,
                                                      Duration deadline) {
  const Instant until = SystemClock().Now() + deadline;
  auto connection = pg::Connection::Open({conninfo, "", {}}, until);
  if (!connection) return Fail(std::move(connection.error().error));
  const auto read = [&](const pg::Statement& statement, pg::Params params) {
    return (*connection)
        ->Execute({.steps = {{&statement, std::move(params)}}, .changes = false}, until);
  };
  std::vector<RunningServer> running;
  const auto there = read(kHasCoordinators, {});
  if (!there) return Fail(there.error().error);
  if (!there->front()[0].Bool()) return running;
  const auto rows = read(kReadRunning, {kForgottenAfter});
  if (!rows) return Fail(rows.error().error);
  for (pg::Row row : rows->front()) {
    RunningServer& server = running.emplace_back();
    server.number = row.As<CoordinatorNumber>();
    server.address = row.Text();
    server.version = row.Text();
    server.level = static_cast<uint32_t>(row.Bigint());
  }
  return running;
}

}  // namespace vigil
