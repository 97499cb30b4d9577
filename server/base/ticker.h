// Something that is done again and again, on a thread of its own.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "base/clock.h"

namespace vigil {

// Calls `tick` an interval after its making and after each call, until it is destroyed, which waits
// for a call under way. `thread` is the thread's name, at most 15 characters.
class Ticker {
 public:
  Ticker(const char* thread, Duration interval, std::function<void()> tick);
  ~Ticker();
  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

 private:
  void Run();

  const Duration interval_;
  const std::function<void()> tick_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace vigil
