#include "app/schema_watch.h"

#include <fmt/format.h>

#include <utility>

#include "base/log.h"
#include "core/errors.h"
#include "store/postgres/running_servers.h"
#include "store/postgres/schema.h"

namespace vigil {
namespace {

// A new connection costs Postgres as much as half a second of probes.
constexpr Duration kInterval = std::chrono::seconds(30);

}  // namespace

Result<void> RefuseOverOldServers(const std::string& conninfo, const pg::Migration& strictest,
                                  Duration deadline) {
  const auto running = ReadRunningServers(conninfo, deadline);
  if (!running) return Fail(running.error());
  std::string old;
  for (const RunningServer& server : *running) {
    if (server.level >= strictest.serves) continue;
    old += fmt::format("{}coordinator {} at {}, which knows {:04}", old.empty() ? "" : ", ",
                       server.number.value, server.address, server.level);
  }
  if (old.empty()) return {};
  return Fail(Error{
      Code::kFailedPrecondition,
      reason::kInternal,
      fmt::format("migration {:04} ({}) serves servers that know migration {:04} at least, and "
                  "older ones run: {}",
                  strictest.version, strictest.name, strictest.serves, old),
      fmt::format("Upgrade them first, to the version before this one: nothing was changed. One "
                  "that was stopped is forgotten after {} s.",
                  kForgottenAfter / std::chrono::seconds(1)),
      {}});
}

SchemaWatch::SchemaWatch(pg::ConnectOptions where, Duration deadline, Tell tell)
    : where_(std::move(where)),
      deadline_(deadline),
      tell_(std::move(tell)),
      ticker_("schema-watch", kInterval, [this] { Look(); }) {}

void SchemaWatch::Look() {
  const auto checked = pg::CheckSchema(where_, PostgresSchema(), deadline_);
  if (checked && unfit_) {
    log::Info("The database serves this version again.");
    tell_(std::nullopt);
    unfit_ = false;
  } else if (!checked && !unfit_ && checked.error().code == Code::kFailedPrecondition) {
    log::Failed("The database does not serve this version any more.", checked.error());
    tell_(checked.error());
    unfit_ = true;
  }
}

}  // namespace vigil
