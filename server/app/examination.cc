#include "app/examination.h"

#include <fmt/format.h>

#include <chrono>

#include "app/server.h"
#include "base/log.h"
#include "core/errors.h"
#include "pg/pooler.h"

namespace vigil {
namespace {

std::string Seconds(std::optional<Duration> duration) {
  if (!duration) return "never";
  return fmt::format("{}s", std::chrono::duration<double>(*duration).count());
}

void LogDetection(const pg::Detection& detection, const Config& config) {
  log::Info(
      "How soon a loss is noticed.",
      {{"link", detection.tcp ? "tcp" : "unix socket"},
       {"locks_free_after_a_freeze", Seconds(detection.EndsFrozen())},
       {"locks_free_after_a_cut", Seconds(detection.EndsCut())},
       {"database_given_up_within", Seconds(detection.NoticedWithin(config.database_deadline))},
       {"idle_session_timeout", Seconds(detection.idle_session_timeout)},
       {"server_keepalive", Seconds(detection.server.keepalive)},
       {"server_user_timeout", Seconds(detection.server.user_timeout)},
       {"check_interval", Seconds(detection.check_interval)},
       {"client_keepalive", Seconds(detection.client.keepalive)},
       {"client_user_timeout", Seconds(detection.client.user_timeout)}});
  // A Unix socket cannot be cut and has none of TCP's timers.
  if (!detection.tcp || detection.ignored.empty()) return;
  log::Warning("The server ignores settings; what they would do is not counted on.",
               {{"in_force", fmt::format("{}", fmt::join(detection.ignored, " "))}});
}

void LogCapacity(const pg::Capacity& capacity, const Config& config) {
  log::Info("What the database holds.",
            {{"lock_table", capacity.LockTable()},
             {"max_locks_per_transaction", capacity.max_locks_per_transaction},
             {"new_pods_refused_from", NewPodsRefusedFrom(capacity, config)},
             {"max_pods", config.coordinator.max_pods},
             {"connections", capacity.Connections()},
             {"connections_needed", ConnectionsOf(config)}});
  if (NewPodsRefusedFrom(capacity, config) < static_cast<int64_t>(config.coordinator.max_pods)) {
    log::Warning("The lock table holds fewer pods than max-pods: new ones are refused before.",
                 {{"hint", "Raise max_locks_per_transaction, or lower --max-pods."}});
  }
}

}  // namespace

int64_t NewPodsRefusedFrom(const pg::Capacity& capacity, const Config& config) {
  return capacity.LockTable() * config.coordinator.lock_table_percent / 100;
}

Result<void> CheckCapacity(const Config& config, const pg::Capacity& capacity) {
  const int needed = ConnectionsOf(config);
  if (capacity.Connections() >= needed) return {};
  std::string message = fmt::format(
      "one coordinator needs {} connections, and the database offers {}: max_connections {} less "
      "{} reserved",
      needed, capacity.Connections(), capacity.max_connections, capacity.reserved_connections);
  if (capacity.connection_limit) {
    message += fmt::format(", and a CONNECTION LIMIT of {}", *capacity.connection_limit);
  }
  return Fail(Error{Code::kFailedPrecondition,
                    reason::kLimitReached,
                    std::move(message),
                    "Raise max_connections or the CONNECTION LIMIT of the role or the database, or "
                    "lower --liveness-sessions, --request-threads or --session-threads.",
                    {}});
}

Result<void> ExamineDatabase(const Config& config, const pg::ConnectOptions& liveness) {
  if (auto direct = pg::RefusePooler(liveness, config.database_deadline); !direct) return direct;
  const auto survey = pg::Survey(liveness, config.database_deadline);
  if (!survey) return Fail(survey.error());
  LogCapacity(survey->capacity, config);
  LogDetection(survey->detection, config);
  return CheckCapacity(config, survey->capacity);
}

}  // namespace vigil
