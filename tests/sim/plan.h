// What one run of the simulation is made of, all of it from its seed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/settings.h"
#include "core/types.h"

namespace vigil::sim {

// From one coordinator to the next one, in a rolling restart.
inline constexpr Duration kOneByOne = std::chrono::seconds(8);

enum class FaultKind {
  // A pod's process is killed; its machine is lost with nobody told; it stands still; its
  // application hangs, and the process goes on; it leaves.
  kKillPod,
  kLosePod,
  kFreezePod,
  kHangPod,
  kPodLeaves,
  // Another process of its name begins on another machine: while it lives; when its machine is
  // lost.
  kDuplicatePod,
  kReplacePod,
  // The same of a coordinator; it drains.
  kKillCoordinator,
  kLoseCoordinator,
  kFreezeCoordinator,
  kDrainCoordinator,
  // All coordinators drain and start again, one after another.
  kRollingRestart,
  // A pod and a coordinator on one machine are lost.
  kLoseMachine,
  // Between one pod and one coordinator; between one pod and all of them.
  kCutPath,
  kCutPod,
  kSlowPath,
  kBreakStreams,
  // Between one coordinator and the database.
  kCutDatabase,
  kLoseCommitAnswer,
  // One database session ends; that in which a coordinator holds its own lock, again and again,
  // before each of its probes.
  kEndSession,
  kEndOwnSession,
  // The database.
  kRestartDatabase,
  kDatabaseAway,
  kDatabaseUnreachable,
  kFailOver,
  // A failover after which one coordinator is left alone with the former primary.
  kSplitBrain,
  kWallClockJumps,
  // Somebody asks to resume a pod with a token that is not its own; with its own, from elsewhere.
  kForgedResume,
  kSecondResume,
  // --- Only where a test asks for it.
  // A pod's follower reads nothing for a while.
  kStallFollower,
};

struct Fault {
  FaultKind kind = FaultKind::kKillPod;
  // After the beginning.
  Duration at{};
  Duration lasts{};
  int pod = 0;
  int coordinator = 0;
  // Bits: 1 towards the coordinator (or the database), 2 from it. For a lost answer: 1 committed.
  // For a duplicate: 1 with a key of its own.
  int ways = 3;
};

std::string Describe(const Fault& fault);

struct Plan {
  uint64_t seed = 0;
  // Only faults that the promises say no living pod notices, one at a time.   (P9)
  bool gentle = false;
  CoordinatorSettings settings;
  int coordinators = 3;
  // Pods know one address for all of them, and each new connection leads to any that runs.
  bool one_address = false;
  // Whether the database wakes up whoever listens.
  bool wake_ups = true;
  struct Pod {
    std::string name;
    Profile profile = Profile::kStrict;
    std::optional<Duration> lease;
    std::map<std::string, std::string> labels;
    // Empty when the name may run twice.
    std::string supersede_key;
    // None when zero.
    Duration watchdog{};
  };
  std::vector<Pod> pods;
  std::vector<Fault> faults;
  // After this all is healed.
  Duration length{};
  // So long after it everything must have come to rest.   (P2)
  Duration rest{};
};

Plan PlanFor(uint64_t seed);

}  // namespace vigil::sim
