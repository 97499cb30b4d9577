// `vigil_bench scale`: what many pods cost that live and do nothing else, and how that grows.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "statistics.h"

namespace vigil::bench {

struct ScaleOptions {
  // A round for each of these numbers, with many pods on a connection.
  std::vector<int> pods{100, 1000, 10000};
  // The last number of pods once more, over so many coordinators; not when it is 1.
  int coordinators = 3;
  int pods_per_connection = 100;
  // The same with a connection for each pod; none for 0.
  std::vector<int> own{1000, 5000};
  // Each window.
  int seconds = 10;
  // Which the last number of pods has in the end.
  int items = 100000;
  // Of the coordinators, whose logs go to standard error when this is not its default.
  std::string log_level = "info";
};

// Measures on a private Postgres with fsync on, and a raw echo of gRPC at the same time as Vigil.
// Reports its progress on standard error. REQUIRES: no other thread runs yet.
Result<Json> MeasureScale(const ScaleOptions& options);

// The same for people.
std::string ScaleTable(const Json& measured);

}  // namespace vigil::bench
