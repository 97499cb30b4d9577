// How what was just committed comes to the log's thread.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/loop.h"
#include "coordinator/event_log.h"
#include "store/records.h"

namespace vigil {

// Any thread: a lane tells what it committed itself, so that a subscriber does not wait for another
// loop's turn. Copies share what is on its way, and may outlive the log once nobody turns its loop.
class CommitNews {
 public:
  CommitNews(Scheduler& log_scheduler, EventLog& log) : scheduler_(log_scheduler), log_(log) {}

  // There may be something new in the log.
  void Wake() const;

  // These events were just committed here, in one transaction.
  void Committed(const std::string& ns, const WrittenEvents& written) const;

 private:
  struct OnTheirWay {
    std::atomic<bool> wake = false;
    std::atomic<int> committed = 0;
  };

  Scheduler& scheduler_;
  EventLog& log_;
  const std::shared_ptr<OnTheirWay> on_their_way_ = std::make_shared<OnTheirWay>();
};

}  // namespace vigil
