// A mass of pods dies at once, and others take their work over.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "support/vigil_cluster.h"

namespace vigil::bench {

struct RecoveryOptions {
  // That die, with so many items each.
  int pods = 1;
  int items = 10;
  int survivors = 8;
  // No two rounds on one cluster have the same: each has a namespace of its own.
  int round = 0;
};

struct Recovery {
  // From the SIGKILL until the claim of the last item was answered.
  Duration recovered{};
  // The longest that the answer to a living pod's heartbeat took meanwhile.
  Duration heartbeat{};
};

// One process has all the pods that die, and is killed.
Result<Recovery> RunRecovery(const VigilCluster& cluster, const RecoveryOptions& options);

}  // namespace vigil::bench
