// `vigil_bench fanout`: how long after an event's commit its subscribers have it, and what each
// delivery and each subscriber costs.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "statistics.h"

namespace vigil::bench {

struct FanoutOptions {
  // A round for each of these numbers.
  std::vector<int> subscribers{1, 100, 1000, 5000};
  // Events of each kind in each round.
  int samples = 100;
  // Events before, which do not count.
  int warm_up = 10;
  // Of the coordinators, whose logs go to standard error when this is not its default.
  std::string log_level = "info";
};

// Measures on a private Postgres with fsync on, and a raw fan-out of gRPC in turn with Vigil.
// Reports its progress on standard error. REQUIRES: no other thread runs yet.
Result<Json> MeasureFanout(const FanoutOptions& options);

// The same for people.
std::string FanoutTable(const Json& measured);

}  // namespace vigil::bench
