// What an operator looks at: one namespace, and what all namespaces share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/types.h"

namespace vigil {

// How much of it is looked at, and shown.   (P11)
struct OverviewLimits {
  uint32_t pods = 5'000;
  // Ends of the last hour.
  uint32_t ends = 10'000;
  uint32_t orphans = 10'000;
  // Of the log's last events; and how many of them are shown.
  uint32_t events_read = 4'000;
  uint32_t events = 1'000;
  uint32_t coordinators = 100;
};

enum class CoordinatorState { kAlive, kLeft, kDead };

// What was counted up to a limit.
struct Count {
  uint64_t number = 0;
  // There may be more.
  bool more = false;
  bool operator==(const Count&) const = default;
};

struct CoordinatorSummary {
  CoordinatorNumber number;
  // As it is shown to people.
  std::string address;
  CoordinatorState state = CoordinatorState::kAlive;
  // Living pods of the namespace that it hosts, or hosted last.
  uint64_t pods = 0;
  WallMicros started_at;
  WallMicros ended_at;
};

// Pods, deaths, orphans and the head are of one moment; coordinators and connections of one right
// after it.
struct Overview {
  // Where the namespace's log stood then: whoever follows it from here on misses nothing.
  Position head;
  WallMicros read_at;

  uint64_t alive = 0;
  uint64_t suspect = 0;
  // The SUSPECT ones first, then by incarnation; without labels.
  std::vector<Pod> pods;

  // Of the last hour, by the database's wall clock, among the last ends.
  Count deaths;
  // How long it took from the first record of the evidence to those deaths (but for superseded
  // ones, which rest on none): no longer for half of them, and for 99 in a hundred.
  std::optional<Duration> detection_p50;
  std::optional<Duration> detection_p99;

  Count orphans;
  // When the first of those that left them ended.
  WallMicros orphans_since;
  Count quarantined;

  // POD_DIED and WORK_QUARANTINED, and WORK_CLAIMED from somebody, up to the head, oldest first;
  // without labels.
  std::vector<Event> events;

  // Those that are ALIVE, and those that ended in the last hour.
  std::vector<CoordinatorSummary> coordinators;

  // Of the database server, whoever has them; 0 of 0 where there is no such thing.
  uint64_t connections = 0;
  uint64_t connection_limit = 0;
};

}  // namespace vigil
