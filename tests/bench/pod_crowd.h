// Pods that live and do nothing else, in a process of their own, with the raw echo beside them.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "statistics.h"
#include "support/process.h"

namespace vigil::bench {

// Owns the process (steady_pods.cc), which is the generator of all load on both sides. One thread
// at a time.
class PodCrowd {
 public:
  struct Options {
    std::string ns;
    int pods = 1;
    int pods_per_connection = 1;
    std::string echo_address;
    std::vector<std::string> addresses;
  };

  // All pods are registered, and all streams of the echo are there, when this returns.
  static Result<std::unique_ptr<PodCrowd>> Join(const Options& options);

  // How long it took until the last pod was.
  Duration registered() const { return registered_; }

  // The heartbeats of one side that were answered, and how long that took.
  struct Beats {
    int64_t answered = 0;
    Summary took;
  };
  struct Beaten {
    Beats vigil;
    Beats echo;
    // Heartbeats leave at their time; this one was the latest.
    Duration latest{};
    // Left out, on either side, since the one before was not answered after a second.
    int64_t unanswered = 0;
  };
  // Since the last time that it was asked for.
  Result<Beaten> Count();

  // Leaves everything alone for so long.
  Result<void> LeaveInPeace(Duration peace);

  pid_t pid() const { return process_->pid(); }

 private:
  explicit PodCrowd(std::unique_ptr<Process> process) : process_(std::move(process)) {}

  const std::unique_ptr<Process> process_;
  Duration registered_{};
  int reports_ = 0;
};

}  // namespace vigil::bench
