// The pods of the demonstration, and what they say.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "screen.h"
#include "support/reporting_process.h"
#include "support/vigil_cluster.h"

namespace vigil {

// A `vigil run` whose command counts steps and notes each as the item's checkpoint, so that whoever
// takes the item over goes on with the next one. What it does is shown in plain words, and its
// steps no more often than the eye can follow.
//
// Owns the process. Thread safety: everything may be called from any thread.
class Actor {
 public:
  // `first` is the coordinator that it begins with; `environment` says who it is.
  static Result<std::unique_ptr<Actor>> Enter(const VigilCluster& cluster, Screen& screen,
                                              size_t number, std::string name, std::string item,
                                              int first,
                                              std::map<std::string, std::string> environment);
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;

  const std::string& name() const { return name_; }
  ReportingProcess& run() { return *run_; }

  // The first and the last step that it has done; zero when none.
  int first_step() const;
  int last_step() const;
  // Waits until it has done this step, or one after it.
  bool AwaitStep(int step, Duration within);

 private:
  Actor(Screen& screen, size_t number, std::string name, std::string item);

  void Hear(const Process::Line& line);
  void HearStep(int step, Instant at);

  Screen& screen_;
  const size_t number_;
  const std::string name_;
  const std::string item_;

  mutable std::mutex mutex_;
  std::condition_variable stepped_;
  // Guarded by mutex_.
  int first_step_ = 0;
  int last_step_ = 0;
  std::optional<Instant> shown_;

  std::unique_ptr<ReportingProcess> run_;  // last: its thread calls Hear
};

}  // namespace vigil
