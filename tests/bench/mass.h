// `vigil_bench mass`: how soon everybody goes on when many are hit at once.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "statistics.h"

namespace vigil::bench {

struct MassOptions {
  // Losses of a coordinator are measured with each of these numbers of pods on it.
  std::vector<int> pods{100, 500};
  // Of each number.
  int losses = 10;
  // Recoveries are measured with each of these numbers of pods that die at once.
  std::vector<int> dead{1, 100, 1000};
  // Of each number.
  int recoveries = 5;
  // Of the coordinators, whose logs go to standard error when this is not its default.
  std::string log_level = "info";
};

// Measures on a private Postgres with fsync on. Reports its progress on standard error. REQUIRES:
// no other thread runs yet.
Result<Json> MeasureMass(const MassOptions& options);

// The same for people.
std::string MassTable(const Json& measured);

}  // namespace vigil::bench
