// What an operator can set about a coordinator, beside addresses and logs.
#pragma once

#include <cstddef>

#include "core/bounded_queue.h"
#include "core/mass_suspicion.h"
#include "core/timing.h"
#include "store/records.h"

namespace vigil {

struct CoordinatorSettings {
  Timing timing;
  MassLimits mass_suspicion;
  int liveness_sessions = 8;
  size_t max_pods = 5000;
  // Of the database's lock table: from there on new pods are refused.
  int lock_table_percent = 80;
  size_t max_subscribers = 10000;
  // What one subscriber may have waiting for it in live delivery.
  QueueLimits subscriber_queue{4096, 4 * 1024 * 1024};
  // Silence on a subscription is broken by a position this often.
  Duration position_interval = std::chrono::seconds(5);
  // A floor under lost wake-ups.
  Duration log_poll_interval = std::chrono::seconds(1);
  // The log's reader has given up when a reading takes longer, far beyond its deadline.
  Duration log_give_up = std::chrono::seconds(20);
  // What is kept, and how long pruning rests when there is nothing more to prune.
  Retention retention{std::chrono::hours(24 * 7), 1'000'000};
  Duration prune_interval = std::chrono::minutes(1);
  // How often items of the policy ASSIGN that nobody has are looked for.
  Duration recovery_interval = std::chrono::seconds(1);
  // How long the first message of a stream may take.
  Duration first_message_deadline = std::chrono::seconds(10);
};

}  // namespace vigil
