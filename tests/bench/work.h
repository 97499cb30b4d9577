// `vigil_bench work`: how many claims a second.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "statistics.h"

namespace vigil::bench {

struct WorkOptions {
  // Claims are measured with each of these numbers of claimers.
  std::vector<int> claimers{1, 8, 32};
  // Of all claimers together, in one trial.
  int claims = 2000;
  // Trials of each kind, through Vigil and through pgbench.
  int rounds = 5;
  // Of the coordinators, whose logs go to standard error when this is not its default.
  std::string log_level = "info";
};

// Measures on a private Postgres with fsync on, with one coordinator, and pgbench in turn with it.
// Reports its progress on standard error. REQUIRES: no other thread runs yet.
Result<Json> MeasureWork(const WorkOptions& options);

// The same for people.
std::string WorkTable(const Json& measured);

}  // namespace vigil::bench
