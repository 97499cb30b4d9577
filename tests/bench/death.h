// `vigil_bench death`: how long after the SIGKILL of a pod a survivor has its work.
#pragma once

#include <string>

#include "base/error.h"
#include "statistics.h"

namespace vigil::bench {

struct DeathOptions {
  // Rounds that count with a FAST victim, and with a STRICT one, whose every death waits for its
  // lease. At least one kind is measured.
  int fast_samples = 50;
  int strict_samples = 20;
  // The victim's.
  Duration lease = std::chrono::seconds(1);
  // Rounds of each kind before, which do not count.
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
