// `vigil_bench death`: how long after the SIGKILL of a pod a survivor has its work.
#pragma once

#include <string>

#include "base/error.h"
#include "statistics.h"
#include "vigil/pod.h"

namespace vigil::bench {

struct DeathOptions {
  client::Profile profile = client::Profile::kFast;
  Duration lease = std::chrono::seconds(3);
  int samples = 50;
  // Rounds before, which do not count.
  int warm_up = 5;
  // Of the coordinator, whose log goes to standard error when this is not its default.
  std::string log_level = "info";
};

// Measures on a private Postgres with fsync on, with one coordinator, and the bare chain in turn
// with Vigil. Reports its progress on standard error. REQUIRES: no other thread runs yet.
Result<Json> MeasureDeath(const DeathOptions& options);

// The same for people.
std::string DeathTable(const Json& measured);

}  // namespace vigil::bench
