// Living pods, and where they are hosted.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "support/process.h"
#include "support/vigil_cluster.h"

namespace vigil::bench {

// Pods on the client library, each with a connection of its own, in four processes apart
// (moving_pods_process.cc).
//
// Owns the processes. One thread at a time.
class MovingPods {
 public:
  // All of them are registered when this returns, with the first coordinator if it answers in time.
  static Result<std::unique_ptr<MovingPods>> Start(const VigilCluster& cluster, int pods);

  // Waits until this coordinator hosts each of them that is not LOST. Since when it did, as the
  // pods know.
  Result<std::vector<Instant>> AwaitHostedBy(client::CoordinatorNumber coordinator);

  // An error when a process ended meanwhile.
  Result<void> LeaveInPeace(Duration peace);

  // How many have been LOST.
  int lost() const;

 private:
  struct Hosted {
    client::CoordinatorNumber by;
    Instant since;
  };

  MovingPods() = default;

  void Hear(const std::string& line);

  int pods_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<int, Hosted> hosted_;                     // guarded by mutex_: by the pod's number
  int lost_ = 0;                                     // guarded by mutex_
  std::vector<std::unique_ptr<Process>> processes_;  // last: their lines use all of the above
};

}  // namespace vigil::bench
