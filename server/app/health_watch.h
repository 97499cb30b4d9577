// Keeps an eye on the health of the coordinator, from outside its loops.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/loop.h"
#include "core/health.h"

namespace vigil {

// Asks each loop ten times a second how it is, but again only when it has answered. One that owes
// an answer for 10 s does not turn, and what it last said of itself is not believed any more.
//
// Runs on a loop of its own, so that it can tell of the others. Now may be called by anybody.
// Publishes what it finds once in an interval, and at once when it is told something.
class HealthWatch {
 public:
  // All of it outlives the watch.
  struct Environment {
    const Clock& clock;
    // Its own.
    Scheduler& scheduler;
    // That of the pods, and who answers there.
    Scheduler& loop;
    std::function<LinkHealth()> link;
    // The same for the event log.
    Scheduler& log_loop;
    std::function<LogHealth()> log;
    Duration trust_window;
    // Hears of everything that is published, on the own loop.
    std::function<void(const Health&)> show;
  };

  explicit HealthWatch(Environment environment);

  void Start();
  // Why the database is not fit for use yet, or that it is.
  void Examined(std::optional<Error> unfit);
  // Why no connection can begin, or that one can.
  void Connectable(std::optional<Error> fault);
  // From now on nothing is offered to anybody.
  void Drain();

  // What was last published; and that nothing is published any more, when the own loop does not
  // turn. Any thread.
  Health Now() const;

 private:
  struct Loop {
    std::string_view name;
    Scheduler& scheduler;
    // Since when it owes an answer.
    std::optional<Instant> asked = std::nullopt;
  };

  void Look();
  template <typename T>
  void Ask(Loop& loop, const std::function<T()>& question, T& answer);
  void Publish();

  const Environment env_;
  Loop pods_;
  Loop log_;
  HealthFacts facts_;
  std::unique_ptr<Timer> timer_;

  mutable std::mutex mutex_;
  HealthFacts published_;                // guarded by mutex_
  std::optional<Instant> published_at_;  // guarded by mutex_; none before Start
};

}  // namespace vigil
