// Where callbacks run: the scheduler as its users see it, and the event loop behind it in a real
// process.
#pragma once

#include <asio/io_context.hpp>
#include <functional>
#include <memory>

#include "base/clock.h"

namespace vigil {

// Cancels its callback when destroyed. Destroy it on the scheduler's thread; from inside the
// callback is allowed.
class Timer {
 public:
  virtual ~Timer() = default;
};

// One logical thread on which callbacks run one after another, never inside the call that asked for
// them.
class Scheduler {
 public:
  virtual ~Scheduler() = default;

  // Runs `callback` as soon as those posted before it have run. Any thread.
  virtual void Post(std::function<void()> callback) = 0;

  // Runs `callback` once, not sooner than after `delay`, unless the timer is destroyed before. The
  // scheduler's thread only.
  virtual std::unique_ptr<Timer> After(Duration delay, std::function<void()> callback) = 0;
};

// The event loop. Run() turns it on the calling thread, which becomes the scheduler's thread.
class EventLoop final : public Scheduler {
 public:
  EventLoop() = default;
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  void Post(std::function<void()> callback) override;
  std::unique_ptr<Timer> After(Duration delay, std::function<void()> callback) override;

  // Runs callbacks until Stop().
  void Run();

  // Any thread. Run() returns soon after, without running what is still queued.
  void Stop();

  // For those who wait for sockets on this loop.
  asio::io_context& context() { return context_; }

 private:
  asio::io_context context_{1};
};

}  // namespace vigil
