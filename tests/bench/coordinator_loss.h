// A coordinator is lost, and its pods go to another.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "pg/private_cluster.h"

namespace vigil::bench {

struct LossOptions {
  // That the lost coordinator hosts.
  int pods = 1;
  int rounds = 1;
  // Of the coordinators, whose logs go to standard error when this is not its default.
  std::string log_level = "info";
};

struct Losses {
  // From the SIGKILL until a pod knew that the other coordinator hosts it, for each pod of each
  // round.
  std::vector<Duration> resumed;
  // Until the last of a round knew that was not LOST, for each round in which one was not.
  std::vector<Duration> all_resumed;
  // In all rounds.
  int deaths = 0;
  int lost = 0;
};

// Two coordinators, of which the one that hosts all pods is killed in each round, so that all of
// them go to the other; it begins anew before the next, which kills the other. A round in which
// pods were LOST is the last.
Result<Losses> LoseCoordinators(pg::PrivateCluster& postgres, const LossOptions& options);

}  // namespace vigil::bench
