#include "recovery.h"

#include <fmt/format.h>

#include <csignal>
#include <string>

#include "measuring.h"
#include "pulse.h"
#include "support/process.h"
#include "survivors.h"

namespace vigil::bench {
namespace {

// A thousand pods register, and start their items, one after the other.
constexpr Duration kDoomedLimit = std::chrono::seconds(120);

constexpr Duration kShortestPeace = std::chrono::milliseconds(100);
constexpr Duration kLongestPeace = std::chrono::milliseconds(600);

}  // namespace

Result<Recovery> RunRecovery(const VigilCluster& cluster, const RecoveryOptions& options) {
  const std::string ns = fmt::format("recovery-{}", options.round);
  auto program = FindBuilt("vigil_bench_doomed_pods");
  if (!program) return Fail(program.error());
  auto doomed =
      Process::Spawn({.command = {*program, cluster.address(0), ns, std::to_string(options.pods),
                                  std::to_string(options.items)}});
  if (!doomed) return Fail(doomed.error());
  if (auto ready = AwaitWords(**doomed, "ready", kDoomedLimit); !ready) return Fail(ready.error());
  auto survivors = Survivors::Join(cluster, ns, options.survivors);
  if (!survivors) return Fail(survivors.error());
  auto pulse = Pulse::Begin(cluster.address(0), ns);
  if (!pulse) return Fail(pulse.error());
  if (auto lived = LeaveInPeace(**doomed, RandomPeace(kShortestPeace, kLongestPeace)); !lived) {
    return Fail(lived.error());
  }

  (*pulse)->Count();
  const Instant killed = Now();
  (*doomed)->Signal(SIGKILL);
  const auto recovered =
      (*survivors)
          ->AwaitRecovered(static_cast<size_t>(options.pods) * static_cast<size_t>(options.items));
  const auto heartbeats = (*pulse)->End();
  if (!recovered) return Fail(recovered.error());
  if (!heartbeats) return Fail(heartbeats.error());
  return Recovery{.recovered = *recovered - killed, .heartbeat = heartbeats->worst};
}

}  // namespace vigil::bench
