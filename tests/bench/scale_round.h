// So many pods in steady state over so many coordinators, and the raw echo beside them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "pg/private_cluster.h"
#include "pod_crowd.h"

namespace vigil::bench {

struct ScaleRoundOptions {
  int pods = 1;
  int coordinators = 1;
  int pods_per_connection = 1;
  // How long each window lasts.
  Duration window = std::chrono::seconds(10);
  // Whether the probes are timed, in a window of their own. REQUIRES: one coordinator, whose turn
  // it always is; the looks of others would be taken for probes of all locks.
  bool probes = false;
  // Work items that the pods start in the end; none when it is 0.
  int items = 0;
  // Of the coordinators.
  std::string log_level = "info";
};

// Processor time that was used in a window, and how long that was.
struct Use {
  Duration window{};
  Duration coordinators{};
  Duration echo{};
  Duration database{};
  Duration generator{};
};

// Bytes, for each pod.
struct Memory {
  double coordinators = 0;
  double echo = 0;
  double database = 0;
};

struct ScaleRound {
  // Until all pods were there.
  Duration registered{};
  // Without any pod, and with all of them.
  Use idle;
  Use steady;
  PodCrowd::Beaten beaten;
  Memory memory;
  // Of all locks, in an interval and by all coordinators together.
  double probes_per_interval = 0;
  // In Postgres; empty unless they were asked for.
  std::vector<Duration> probes;
  struct Items {
    // Until all of them were started.
    Duration started{};
    Use steady;
  };
  std::optional<Items> items;
};

// On a database of its own. The heartbeats go to both sides in the same window, in turn.
Result<ScaleRound> RunScaleRound(pg::PrivateCluster& postgres, const ScaleRoundOptions& options);

}  // namespace vigil::bench
