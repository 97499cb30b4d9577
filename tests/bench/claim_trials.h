// How many claims a second, through a coordinator and through pgbench.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/error.h"
#include "claim_plan.h"
#include "mortal_pods.h"
#include "pg/connection.h"
#include "pg/private_cluster.h"
#include "pgbench.h"
#include "support/vigil_cluster.h"

namespace vigil::bench {

struct ClaimTrial {
  int claimers = 1;
  // Of all claimers.
  int claims = 1;
  // All of them go for the same items, in the same order; else each for its own.
  bool contended = false;
};

// A second.
struct ClaimRate {
  double won = 0;
  double lost = 0;
};

// Makes new orphans for each trial, has them claimed, and looks into the event log for how fast it
// went: whoever claims, Postgres itself wrote down when. The first and the last tenth do not count,
// in which connections are made, statements prepared, and some claimers at their end before others.
//
// Owns the claimants, which are living pods of the cluster. One thread at a time.
class ClaimTrials {
 public:
  enum class Side { kVigil, kPgbench };

  // For at most so many claimers.
  static Result<std::unique_ptr<ClaimTrials>> Prepare(const pg::PrivateCluster& postgres,
                                                      const VigilCluster& cluster, int claimers);

  // An error unless each item was won exactly once.
  Result<ClaimRate> Run(Side side, const ClaimTrial& trial);

 private:
  explicit ClaimTrials(const VigilCluster& cluster) : cluster_(cluster) {}

  // Pods that are DEAD, each of which has left one item.
  Result<void> LeaveItems(int owners);
  Result<ClaimPlan> MakeOrphans(const ClaimTrial& trial);
  Result<pg::Rows> Query(const pg::Statement& statement, pg::Params params, bool changes);
  Result<void> ClaimThroughVigil(const ClaimPlan& plan) const;

  const VigilCluster& cluster_;
  std::unique_ptr<pg::Connection> connection_;
  std::optional<Pgbench> pgbench_;
  std::unique_ptr<MortalPods> claimants_;
  std::vector<uint64_t> owners_;
  uint64_t fence_ = 0;
  int64_t next_key_ = 0;
};

}  // namespace vigil::bench
