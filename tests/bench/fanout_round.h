// Vigil and the raw fan-out with one number of subscribers, in turn.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "pg/private_cluster.h"
#include "statistics.h"

namespace vigil::bench {

struct FanoutRoundOptions {
  int subscribers = 1;
  // Events that count, and those before them that do not.
  int samples = 100;
  int warm_up = 10;
  // Of the coordinators.
  std::string log_level = "info";
};

// One server's share of a round.
struct FanoutCosts {
  // From each event's commit to each subscriber's receipt.
  Summary received;
  // For each event and subscriber.
  double bytes = 0;
  Duration processor_time{};
  // Of an idle subscriber.
  double memory = 0;
};

struct FanoutRound {
  FanoutCosts vigil;
  FanoutCosts raw;
  // The subscribers' coordinator had to read the event, since another one had committed it.
  Summary elsewhere;
  // Until the raw server knew of its commit: what the disk takes of both.
  Summary acknowledged;
};

// Two coordinators, a raw server, and so many subscribers of each on connections of their own. The
// events of Vigil are deaths, committed by the coordinator that serves the subscribers, one by one;
// those of the raw server carry the same bytes. REQUIRES: track_commit_timestamp is on.
Result<FanoutRound> RunFanoutRound(pg::PrivateCluster& postgres, const FanoutRoundOptions& options);

}  // namespace vigil::bench
