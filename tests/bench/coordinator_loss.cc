#include "coordinator_loss.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <memory>
#include <vector>

#include "measuring.h"
#include "moving_pods.h"
#include "query.h"
#include "statistics.h"
#include "support/vigil_cluster.h"

namespace vigil::bench {
namespace {

constexpr Duration kShortestPeace = std::chrono::milliseconds(1000);
constexpr Duration kLongestPeace = std::chrono::milliseconds(2000);
// In which FAST pods would die whose locks were found free, and anybody whose lease was not
// prolonged: the grace of the one and the lease of the other are 3 s, and a probe comes before and
// after.
constexpr Duration kAftermath = std::chrono::seconds(5);

// A pod that had no answer in time has moved by itself, before the loss. So many of a hundred may
// have.
constexpr size_t kShareElsewhere = 2;

constexpr pg::Statement kCountDeaths{"count_deaths",
                                     "SELECT count(*) FROM vigil.events WHERE kind = 'POD_DIED'"};

// Kills the coordinator that hosts them all.
Result<void> LoseOne(VigilCluster& cluster, MovingPods& pods, int host, Losses& losses) {
  const int other = 1 - host;
  if (auto lived = pods.LeaveInPeace(RandomPeace(kShortestPeace, kLongestPeace)); !lived) {
    return lived;
  }
  const Instant killed = Now();
  cluster.coordinator(host).Signal(SIGKILL);
  const auto hosted = pods.AwaitHostedBy(cluster.number(other));
  if (!hosted) return Fail(hosted.error());
  std::vector<Duration> resumed;
  for (const Instant since : *hosted) {
    if (since > killed) resumed.push_back(since - killed);
  }
  if (const size_t elsewhere = hosted->size() - resumed.size();
      elsewhere * 100 > hosted->size() * kShareElsewhere) {
    return Fail(Unmeasurable(
        fmt::format("{} of {} pods were elsewhere when it was lost", elsewhere, hosted->size())));
  }
  const Duration last = resumed.empty() ? Duration::zero() : std::ranges::max(resumed);
  fmt::print(stderr, "{} pods resumed within {:.1f} ms, {} are LOST\n", resumed.size(),
             Milliseconds(last), pods.lost());
  if (!resumed.empty()) losses.all_resumed.push_back(last);
  losses.resumed.insert(losses.resumed.end(), resumed.begin(), resumed.end());
  return cluster.StartAgain(host);
}

}  // namespace

Result<Losses> LoseCoordinators(pg::PrivateCluster& postgres, const LossOptions& options) {
  auto cluster = VigilCluster::Start(
      postgres, {.coordinators = 2, .settings = {"--log-level", options.log_level}});
  if (!cluster) return Fail(cluster.error());
  Losses losses;
  const auto lose = [&]() -> Result<void> {
    auto pods = MovingPods::Start(**cluster, options.pods);
    if (!pods) return Fail(pods.error());
    // Pods that are LOST are a result, and the end of the rounds.
    for (int round = 0; round < options.rounds && (*pods)->lost() == 0; ++round) {
      fmt::print(stderr, "round {:>3}: ", round + 1);
      if (auto lost = LoseOne(**cluster, **pods, round % 2, losses); !lost) return lost;
    }
    if (auto lived = (*pods)->LeaveInPeace(kAftermath); !lived) return lived;
    losses.lost = (*pods)->lost();
    const auto deaths = Query((*cluster)->Conninfo(), kCountDeaths);
    if (!deaths) return Fail(deaths.error());
    pg::Row row = (*deaths)[0];
    losses.deaths = static_cast<int>(row.Bigint());
    return {};
  };
  const auto measured = lose();
  if (options.log_level != LossOptions().log_level) fmt::print(stderr, "{}", (*cluster)->Logs());
  if (!measured) return Fail(measured.error());
  return losses;
}

}  // namespace vigil::bench
