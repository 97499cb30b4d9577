#include "steady_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <utility>

#include "database_cost.h"
#include "measuring.h"
#include "mortal_pods.h"
#include "polling_database.h"

namespace vigil::bench {
namespace {

// A pod's lease by default.
constexpr auto kLease = std::chrono::seconds(3);
// Registered well within that, after which their heartbeats begin.
constexpr int kTogether = 100;
// What begins with pods is over then: their leases were prolonged, and all of them polled.
constexpr Duration kSettled = std::chrono::seconds(6);

// A shorter window is for trying things out, and does not wait longer than it lasts.
Duration Settled(const SteadyStateOptions& options) { return std::min(kSettled, options.window); }

double MicrosecondsPerSecond(Duration used, Duration within) {
  return 1e6 * static_cast<double>(used.count()) / static_cast<double>(within.count());
}

// What Postgres uses in a second while `process` runs and is left in peace.
Result<double> Watch(const pg::PrivateCluster& postgres, Process& process, Duration window) {
  const auto before = DatabaseTimeOf(postgres.postmaster());
  const Instant begun = Now();
  if (!before) return Fail(before.error());
  if (auto lived = LeaveInPeace(process, window); !lived) return Fail(lived.error());
  const auto after = DatabaseTimeOf(postgres.postmaster());
  if (!after) return Fail(after.error());
  return MicrosecondsPerSecond(*after - *before, Now() - begun);
}

void Tell(const char* whose, const SteadyState& state) {
  fmt::print(stderr, "{:>5} pods of {}: the database takes {:.2f} ms a second{}\n", state.pods,
             whose, state.database_time / 1e3,
             state.probes_made ? fmt::format(", {:.1f} % of the probes that were due were made",
                                             *state.probes_made * 100)
                               : "");
}

Result<int64_t> ProbesOf(Process& pods) {
  const size_t said = pods.Lines().size();
  pods.Signal(SIGUSR1);
  const auto line = pods.AwaitLine(
      [](const Process::Line& candidate) { return candidate.text.starts_with("probes "); },
      kStartLimit, said);
  if (!line) return Fail(Unmeasurable("the polling pods do not answer: " + pods.Transcript()));
  return std::stoll(line->text.substr(7));
}

Result<SteadyState> WatchPolling(const pg::PrivateCluster& postgres, Process& process, int pods,
                                 Duration window) {
  const auto before = ProbesOf(process);
  const Instant begun = Now();
  if (!before) return Fail(before.error());
  const auto time = Watch(postgres, process, window);
  if (!time) return Fail(time.error());
  const auto after = ProbesOf(process);
  if (!after) return Fail(after.error());
  const double rounds =
      static_cast<double>((Now() - begun).count()) / static_cast<double>(kPollingInterval.count());
  const double due = rounds * pods * (pods - 1);
  SteadyState state{.pods = pods, .database_time = *time, .probes_made = {}};
  if (due > 0) state.probes_made = static_cast<double>(*after - *before) / due;
  return state;
}

}  // namespace

Result<std::vector<SteadyState>> MeasureVigilAtRest(pg::PrivateCluster& postgres,
                                                    VigilCluster& cluster,
                                                    const SteadyStateOptions& options) {
  std::vector<SteadyState> states;
  std::vector<std::unique_ptr<MortalPods>> crowds;
  int living = 0;
  for (const int pods : options.pods) {
    // Those of before stay, and others join them.
    while (living < pods) {
      const int joining = std::min(kTogether, pods - living);
      auto crowd = MortalPods::Register(cluster.address(0), "rest",
                                        fmt::format("crowd-{}", crowds.size()), joining, kLease);
      if (!crowd) return Fail(crowd.error());
      crowds.push_back(std::move(*crowd));
      living += joining;
    }
    Process& coordinator = cluster.coordinator(0);
    if (auto lived = LeaveInPeace(coordinator, Settled(options)); !lived)
      return Fail(lived.error());
    const auto time = Watch(postgres, coordinator, options.window);
    if (!time) return Fail(time.error());
    states.push_back({.pods = pods, .database_time = *time, .probes_made = {}});
    Tell("Vigil", states.back());
  }
  return states;
}

Result<std::vector<SteadyState>> MeasurePollingAtRest(pg::PrivateCluster& postgres,
                                                      const SteadyStateOptions& options) {
  std::vector<SteadyState> states;
  std::vector<int> numbers{0};
  numbers.insert(numbers.end(), options.pods.begin(), options.pods.end());
  for (const int pods : numbers) {
    const auto database = PollingDatabase::Create(postgres);
    if (!database) return Fail(database.error());
    auto process = (*database)->Run("pod", pods);
    if (!process) return Fail(process.error());
    if (auto lived = LeaveInPeace(**process, Settled(options)); !lived) return Fail(lived.error());
    const auto state = WatchPolling(postgres, **process, pods, options.window);
    if (!state) return Fail(state.error());
    states.push_back(*state);
    Tell("the polling design", states.back());
  }
  return states;
}

}  // namespace vigil::bench
