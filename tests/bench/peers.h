// `vigil_bench peers`: the same death and the same claim with Vigil, with other systems, and with
// the design that Vigil grew out of.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "statistics.h"

namespace vigil::bench {

struct PeersOptions {
  // Of Vigil and of the bare chain: rounds that count, and rounds before, which do not.
  int samples = 20;
  int warm_up = 3;
  // Of the polling design, whose rounds take seconds.
  int slow_samples = 8;
  // The kinds of other systems that are measured, if they are installed.
  std::vector<std::string> peers;
  // How many pods the database's share is measured with, in ascending order.
  std::vector<int> pods{10, 100, 1000};
  int window_seconds = 10;
  // Of the coordinator, whose log goes to standard error when this is not its default.
  std::string log_level = "info";
};

// Measures on a private Postgres with fsync on and with private servers of what else is installed,
// in turn. Reports its progress on standard error. REQUIRES: no other thread runs yet.
Result<Json> MeasurePeers(const PeersOptions& options);

// The same for people.
std::string PeersTable(const Json& measured);

}  // namespace vigil::bench
