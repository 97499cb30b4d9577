// What living pods cost the database while nothing happens.
#pragma once

#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "pg/private_cluster.h"
#include "support/vigil_cluster.h"

namespace vigil::bench {

struct SteadyState {
  int pods = 0;
  // Processor time of all processes of Postgres in a second, in microseconds.
  double database_time = 0;
  // Of the probes that the polling design owes, the share that it made. None without polling.
  std::optional<double> probes_made;
};

struct SteadyStateOptions {
  std::vector<int> pods;
  // How long each of them is watched.
  Duration window{};
};

// So many pods of one coordinator, which is the only client of Postgres. One entry for each number.
Result<std::vector<SteadyState>> MeasureVigilAtRest(pg::PrivateCluster& postgres,
                                                    VigilCluster& cluster,
                                                    const SteadyStateOptions& options);

// The same of the polling design, whose pods are the only clients of Postgres; the first entry is
// about no pods at all.
Result<std::vector<SteadyState>> MeasurePollingAtRest(pg::PrivateCluster& postgres,
                                                      const SteadyStateOptions& options);

}  // namespace vigil::bench
