// What a server's metrics are made of, and where they are served.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/loop.h"
#include "coordinator/coordinator.h"
#include "http/resource.h"
#include "metrics/metrics.h"
#include "store/database.h"
#include "store/lane.h"

namespace vigil {

// Outlives what reports to it: the coordinator, the services and the lanes.
class Measuring {
 public:
  // `ready` is what /readyz says. Any thread.
  Measuring(const Clock& clock, const Database& database, std::function<bool()> ready);

  Measures& measures() { return metrics_; }

  // REQUIRES: before the first scrape. The lanes are there until the last one.
  void Watch(std::vector<const ThreadLane*> lanes) { lanes_ = std::move(lanes); }

  // Each on its loop's thread: shows from now on how the coordinator stands, again and again.
  void ShowCoordinator(Scheduler& loop, const Coordinator& coordinator);
  void ShowLog(Scheduler& log_loop, const Coordinator& coordinator);

  // /metrics. It names no pod, namespace or caller, so whoever reaches the port may have it.
  Resource resource() const;

 private:
  std::vector<QueueReading> Queues() const;

  std::vector<const ThreadLane*> lanes_;
  Metrics metrics_;
  std::unique_ptr<Timer> timer_;
  std::unique_ptr<Timer> log_timer_;
};

}  // namespace vigil
