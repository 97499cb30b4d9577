#include "mass.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>

#include "coordinator_loss.h"
#include "measuring.h"
#include "pg/private_cluster.h"
#include "recovery.h"
#include "report.h"
#include "support/vigil_cluster.h"

namespace vigil::bench {
namespace {

// Of the last of so many pods, after the loss of their coordinator; more have no target.
constexpr double kResumedTarget = 1000;
constexpr int kResumedPods = 500;
// The same for the last item of so many dead pods.
constexpr double kRecoveredTarget = 3000;
constexpr int kRecoveredPods = 1000;
// After a third of its lease, which is 3 s by default, a pod gives up a coordinator that is silent.
constexpr double kHeartbeatTarget = 1000;
constexpr int kItems = 10;

Result<void> AddLosses(Json& rows, pg::PrivateCluster& postgres, const MassOptions& options) {
  for (const int pods : options.pods) {
    const auto losses = LoseCoordinators(
        postgres, {.pods = pods, .rounds = options.losses, .log_level = options.log_level});
    if (!losses) return Fail(losses.error());
    const auto target = pods <= kResumedPods ? std::optional(kResumedTarget) : std::nullopt;
    if (!losses->resumed.empty()) {
      AddRanks(rows, fmt::format("{}/resumed", pods), Summarize(losses->resumed));
      AddRanks(rows, fmt::format("{}/all_resumed", pods), Summarize(losses->all_resumed), "p99",
               target);
    }
    rows.push_back(Row(fmt::format("{}/deaths", pods), losses->deaths, "pods", 0));
    rows.push_back(Row(fmt::format("{}/lost", pods), losses->lost, "pods", 0));
  }
  return {};
}

Result<void> AddRecoveries(Json& rows, const VigilCluster& cluster, const MassOptions& options) {
  int round = 0;
  for (const int dead : options.dead) {
    std::vector<Duration> recovered;
    Duration heartbeat{};
    for (int i = 0; i < options.recoveries; ++i) {
      const auto recovery = RunRecovery(cluster, {.pods = dead, .items = kItems, .round = round++});
      if (!recovery) return Fail(recovery.error());
      recovered.push_back(recovery->recovered);
      heartbeat = std::max(heartbeat, recovery->heartbeat);
      fmt::print(stderr, "{:>4} x {}: recovered in {:.1f} ms, heartbeats within {:.1f} ms\n", dead,
                 kItems, Milliseconds(recovery->recovered), Milliseconds(recovery->heartbeat));
    }
    const std::string name = fmt::format("{}x{}/", dead, kItems);
    const auto target = dead <= kRecoveredPods ? std::optional(kRecoveredTarget) : std::nullopt;
    AddRanks(rows, name + "recovered", Summarize(std::move(recovered)), "max", target);
    rows.push_back(Row(name + "heartbeat_max", Milliseconds(heartbeat), "ms", kHeartbeatTarget));
  }
  return {};
}

// With a coordinator that lives.
Result<void> AddRecoveries(Json& rows, pg::PrivateCluster& postgres, const MassOptions& options) {
  auto cluster = VigilCluster::Start(
      postgres, {.coordinators = 1, .settings = {"--log-level", options.log_level}});
  if (!cluster) return Fail(cluster.error());
  auto added = AddRecoveries(rows, **cluster, options);
  if (options.log_level != MassOptions().log_level) fmt::print(stderr, "{}", (*cluster)->Logs());
  return added;
}

}  // namespace

Result<Json> MeasureMass(const MassOptions& options) {
  if (auto allowed = AllowConnections(std::ranges::max(options.pods)); !allowed) {
    return Fail(allowed.error());
  }
  // It forks: before any thread.
  auto postgres = pg::PrivateCluster::Start({.fsync = true});
  if (!postgres) return Fail(postgres.error());
  auto description = DescribePostgres(**postgres);
  if (!description) return Fail(description.error());
  Json rows = Json::array();
  if (auto added = AddLosses(rows, **postgres, options); !added) return Fail(added.error());
  if (auto added = AddRecoveries(rows, **postgres, options); !added) return Fail(added.error());
  return WithPlace(Json{{"bench", "mass"},
                        {"losses", options.losses},
                        {"recoveries", options.recoveries},
                        {"rows", std::move(rows)}},
                   std::move(*description));
}

std::string MassTable(const Json& measured) { return RowsTable(measured.at("rows")); }

}  // namespace vigil::bench
