// How a coordinator stands at one moment, for people: no decision rests on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "core/lock_table.h"
#include "store/counted.h"

namespace vigil {

// As a coordinator last saw the whole cluster.
struct ClusterView {
  uint64_t alive = 0;
  uint64_t suspect = 0;
  LockTable locks;
  // Verdicts are held, since too many pods are suspected at once.
  bool mass_suspicion = false;
};

struct CoordinatorStanding {
  // When the trust window ends that ends first, of the own row and of all liveness sessions, unless
  // the database answers before. The clock's beginning when one of them never was trusted.
  Instant trusted_until{};
  size_t hosted = 0;
  size_t most_hosted = 0;
  ClusterView cluster;
  // Locks in use from which on new pods are refused; 0 when that is not known.
  uint64_t lock_limit = 0;
  WaitingWork waiting;
};

struct LogStanding {
  // Of the logs that somebody follows the one that is furthest behind: when what was asked that
  // last reached its end. Nothing when nobody follows any.
  std::optional<Instant> read_to_end;
  // Of all of them together.
  uint64_t head = 0;
  uint64_t unread = 0;
  size_t over_grpc = 0;
  size_t over_http = 0;
};

}  // namespace vigil
