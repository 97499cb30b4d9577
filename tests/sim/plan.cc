#include "sim/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "sim/chance.h"

namespace vigil::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::array<const char*, 30> kNames = {
    "kill pod",
    "lose pod",
    "freeze pod",
    "hang pod",
    "pod leaves",
    "duplicate pod",
    "replace pod",
    "kill coordinator",
    "lose coordinator",
    "freeze coordinator",
    "drain coordinator",
    "rolling restart",
    "lose machine",
    "cut path",
    "cut pod",
    "slow path",
    "break streams",
    "cut database",
    "lose answer to commit",
    "end session",
    "end own session at each probe",
    "restart database",
    "database away",
    "database unreachable",
    "fail over",
    "split brain",
    "wall clock jumps",
    "forged resume",
    "second resume",
    "stall follower",
};
static_assert(kNames.size() == static_cast<size_t>(FaultKind::kStallFollower) + 1);

// Those that a seed may draw come first.
constexpr size_t kDrawn = static_cast<size_t>(FaultKind::kSecondResume) + 1;

// What no living pod may notice.
constexpr std::array kGentle = {
    FaultKind::kKillPod,         FaultKind::kPodLeaves,         FaultKind::kKillCoordinator,
    FaultKind::kLoseCoordinator, FaultKind::kFreezeCoordinator, FaultKind::kDrainCoordinator,
    FaultKind::kRollingRestart,  FaultKind::kCutPath,           FaultKind::kBreakStreams,
    FaultKind::kCutDatabase,     FaultKind::kLoseCommitAnswer,  FaultKind::kEndSession,
    FaultKind::kRestartDatabase, FaultKind::kDatabaseAway,      FaultKind::kDatabaseUnreachable,
    FaultKind::kFailOver,        FaultKind::kWallClockJumps,    FaultKind::kForgedResume,
    FaultKind::kHangPod,         FaultKind::kDuplicatePod,
};

// What a pod with one address may notice: it may come to the same coordinator again and again.
constexpr std::array kNotGentleBehindOneAddress = {FaultKind::kLoseCoordinator,
                                                   FaultKind::kFreezeCoordinator,
                                                   FaultKind::kCutPath, FaultKind::kCutDatabase};

// The shortest trust window of all, so that most runs are short; the defaults are among them.
Timing DrawTiming(Chance& chance) {
  Timing timing;
  if (chance.OneIn(8)) return timing;
  timing.trust_window = chance.OneIn(2) ? seconds(3) : seconds(5);
  timing.ping_interval = chance.OneIn(2) ? milliseconds(250) : milliseconds(500);
  return timing;
}

std::optional<Duration> DrawLease(Chance& chance) {
  constexpr std::array<Duration, 4> kLeases = {milliseconds(500), seconds(1), seconds(2),
                                               seconds(4)};
  if (chance.OneIn(2)) return std::nullopt;
  return kLeases[static_cast<size_t>(chance.Below(kLeases.size()))];
}

// Twice the longest time between two feedings, and a little.
constexpr Duration kShortestWatchdog = milliseconds(2500);

// Those that must reach another coordinator in time need some.
std::optional<Duration> DrawGentleLease(Chance& chance) {
  if (chance.OneIn(2)) return std::nullopt;
  return chance.Between(seconds(2), seconds(5));
}

Fault DrawFault(Chance& chance, const Plan& plan) {
  Fault fault;
  const int kinds = static_cast<int>(plan.gentle ? kGentle.size() : kDrawn);
  const int kind = chance.Below(kinds);
  fault.kind = plan.gentle ? kGentle[static_cast<size_t>(kind)] : static_cast<FaultKind>(kind);
  fault.pod = chance.Below(static_cast<int>(plan.pods.size()));
  fault.coordinator = chance.Below(plan.coordinators);
  fault.ways = 1 + chance.Below(3);
  fault.lasts = chance.OneIn(3) ? chance.Between(milliseconds(1), seconds(2))
                                : chance.Between(seconds(1), seconds(12));
  return fault;
}

// In a gentle plan an outage of the database ends early enough to reconnect within trust.
void MakeGentle(Fault& fault, const Plan& plan) {
  if (plan.one_address && std::ranges::count(kNotGentleBehindOneAddress, fault.kind) != 0) {
    fault.kind = FaultKind::kDrainCoordinator;
  }
  if (fault.kind == FaultKind::kRollingRestart) fault.lasts = plan.coordinators * kOneByOne;
  const bool outage =
      fault.kind == FaultKind::kDatabaseAway || fault.kind == FaultKind::kDatabaseUnreachable;
  if (!outage) return;
  // Until a hung request is given up, and a session is opened anew and has answered.
  const Duration reconnecting =
      fault.kind == FaultKind::kDatabaseAway ? milliseconds(2000) : milliseconds(8500);
  const Duration longest = plan.settings.timing.trust_window - reconnecting;
  // Nothing is promised of an outage when trust ends before a hung request is given up.
  if (longest < milliseconds(1)) fault.kind = FaultKind::kRestartDatabase;
  fault.lasts = std::clamp<Duration>(fault.lasts, milliseconds(1),
                                     std::max<Duration>(longest, milliseconds(1)));
}

}  // namespace

std::string Describe(const Fault& fault) {
  const auto in_seconds = [](Duration duration) {
    return std::chrono::duration<double>(duration).count();
  };
  return fmt::format("{:8.3f} s  {} (for {:.3f} s, pod {}, coordinator {}, ways {})",
                     in_seconds(fault.at), kNames[static_cast<size_t>(fault.kind)],
                     in_seconds(fault.lasts), fault.pod, fault.coordinator, fault.ways);
}

Plan PlanFor(uint64_t seed) {
  Chance chance(seed * 2 + 1);
  Plan plan;
  plan.seed = seed;
  plan.gentle = chance.OneIn(3);
  // Not drawn, so that all other seeds stay the runs that they were.
  plan.one_address = seed % 12 == 3;
  plan.settings.timing = DrawTiming(chance);
  plan.settings.liveness_sessions = 2;
  plan.settings.position_interval = seconds(2);
  plan.coordinators = plan.gentle || chance.OneIn(2) ? 3 : 2;
  const int pods = 2 + chance.Below(4);
  Duration longest_lease = plan.settings.timing.default_lease;
  for (int i = 0; i < pods; ++i) {
    const auto profile = chance.OneIn(4) ? Profile::kFast : Profile::kStrict;
    Plan::Pod& pod = plan.pods.emplace_back();
    pod.name = "pod-" + std::to_string(i);
    // A FAST pod whose connection breaks may die; a gentle plan has none.
    pod.profile = plan.gentle ? Profile::kStrict : profile;
    pod.lease = plan.gentle ? DrawGentleLease(chance) : DrawLease(chance);
    if (chance.OneIn(3)) pod.supersede_key = "key-of-" + pod.name;
    if (!chance.OneIn(4)) pod.labels = {{"side", chance.OneIn(2) ? "left" : "right"}};
    if (chance.OneIn(3)) pod.watchdog = chance.Between(kShortestWatchdog, seconds(6));
    longest_lease = std::max(longest_lease, plan.pods.back().lease.value_or(Duration::zero()));
  }
  const Duration grace = GraceFor(Profile::kStrict, longest_lease, plan.settings.timing);
  Duration at = seconds(3);
  const int faults = 2 + chance.Below(plan.gentle ? 4 : 8);
  for (int i = 0; i < faults; ++i) {
    Fault fault = DrawFault(chance, plan);
    if (plan.gentle) MakeGentle(fault, plan);
    fault.at = at;
    plan.faults.push_back(fault);
    // One after another, with time to recover; or in each other's way.
    at += plan.gentle ? fault.lasts + grace + seconds(10)
                      : chance.Between(milliseconds(1), seconds(6));
    if (!plan.gentle) plan.length = std::max(plan.length, fault.at + fault.lasts);
  }
  plan.length = std::max(plan.length, at) + seconds(1);
  // A mass of suspicions is held for one grace more.
  plan.rest = 3 * grace + longest_lease + seconds(15);
  return plan;
}

}  // namespace vigil::sim
