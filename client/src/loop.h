// A thread that runs tasks, one at a time, now or at a time of CLOCK_BOOTTIME.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "vigil/boot_clock.h"
#include "vigil/types.h"

namespace vigil::client {

using TimerId = Number<struct TimerTag>;

// Owns its thread. Posted tasks run in the order of their posting and before timers that are due,
// so that what has arrived is seen before its absence is judged.
//
// Thread safety: everything may be called from any thread. The destructor drops what has not begun
// and waits for the task that runs, unless it is called by that task.
//
// It does not bound its queue: whoever posts, posts a bounded number of tasks per stream.
class Loop {
 public:
  using Task = std::function<void()>;

  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void Post(Task task);
  // Blocks until everything that was posted before has run and is destroyed. REQUIRES: not called
  // by a task.
  void Flush();
  TimerId PostAt(Time when, Task task);
  // Harmless when the timer has run.
  void Cancel(TimerId timer);
  // Whether the caller is a task of this loop.
  bool RunsHere() const;

 private:
  struct State;
  static void Run(const std::shared_ptr<State>& state);

  std::shared_ptr<State> state_;
};

}  // namespace vigil::client
