// What a probe found.
#pragma once

#include <string>
#include <vector>

#include "store/records.h"

namespace vigil {

// A living pod whose current lock was found free.
struct FreePod {
  std::string ns;
  HostedPod pod;
  Profile profile = Profile::kStrict;
  Duration lease{};
  // The one under which the coordinator that hosts it grants leases; zero when that has no row.
  Duration host_trust_window{};
  // Set when it is SUSPECT on this very evidence, stamped with the identity that the database still
  // has.
  SuspicionNumber suspicion;
};

// A coordinator whose lock was found free.
struct FreeCoordinator {
  CoordinatorNumber number;
  Duration trust_window{};
  auto operator<=>(const FreeCoordinator&) const = default;
};

struct ProbeReport {
  DatabaseIdentity identity;
  // It tried the locks of all living pods, and not of the SUSPECT ones alone: it had the turn, or
  // did not wait for it.
  bool of_all = false;
  // Until the next turn, by the database's clock. It paces, and decides nothing else.
  Duration next_turn{};
  // When the last one was taken, by that clock: this one, if it had the turn.
  WallMicros turn;
  // Living pods, as the last turn counted them, whoever had it.
  uint64_t living = 0;
  // What is in use of the lock table, as it was last counted: in a turn, though not in each one in
  // which as many pods live as in the one before.
  LockTable locks;
  // That was in this turn.
  bool locks_counted = false;
  uint64_t suspect = 0;
  std::vector<FreePod> free_pods;
  // ALIVE coordinators whose lock is free.
  std::vector<FreeCoordinator> free_coordinators;
};

}  // namespace vigil
