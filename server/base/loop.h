// Where callbacks run: the scheduler as its users see it, and the event loop behind it in a real
// process.
#pragma once

#include <asio/io_context.hpp>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "base/clock.h"

namespace vigil {

// Cancels its callback when destroyed. Destroy it on the scheduler's thread; from inside the
// callback is allowed.
class Timer {
 public:
  virtual ~Timer() = default;
};

// One logical thread on which callbacks run one after another, never inside the call that asked for
// them, unless that is Dispatch.
class Scheduler {
 public:
  virtual ~Scheduler() = default;

  // Runs `callback` as soon as those posted before it have run. Any thread.
  virtual void Post(std::function<void()> callback) = 0;

  // Runs `callback` inside this call when no other runs, and else as soon as those dispatched
  // before it have run: it may overtake what was posted. Any thread, which is the scheduler's
  // meanwhile; it holds no lock that a callback takes.
  virtual void Dispatch(std::function<void()> callback) { Post(std::move(callback)); }

  // Runs `callback` once, not sooner than after `delay`, unless the timer is destroyed before. The
  // scheduler's thread only.
  virtual std::unique_ptr<Timer> After(Duration delay, std::function<void()> callback) = 0;
};

// The event loop. Run() turns it on the calling thread, which is the scheduler's thread but for the
// moments in which another one dispatches: to wake the loop for a message costs more than to take
// it in.
//
//     gRPC's threads   ├ message ┤        ├ message ┤├ message that came meanwhile ┤
//     the loop's                  ├ timer ┤
class EventLoop final : public Scheduler {
 public:
  EventLoop() = default;
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  void Post(std::function<void()> callback) override;
  void Dispatch(std::function<void()> callback) override;
  std::unique_ptr<Timer> After(Duration delay, std::function<void()> callback) override;

  // Runs callbacks until Stop(). None runs, on any thread, between it and the next Run().
  void Run();

  // Any thread. Run() returns soon after, whatever is still queued; so does one that comes later,
  // unless the context is restarted before it.
  void Stop();

  // For those who wait for sockets on this loop, and dispatch what they then do.
  asio::io_context& context() { return context_; }

 private:
  // Runs what waits, while the scheduler's thread is ours.
  void Drain();
  // Leaves that to the loop's own thread. Under mutex_.
  void HandOver();

  // Without asio's hint that one thread is enough: it would keep what is posted on the loop's own
  // thread to itself for a moment, in which another thread might post something that overtakes it.
  asio::io_context context_;
  std::mutex mutex_;
  std::condition_variable idle_;
  // Guarded by mutex_. What was dispatched while another callback ran; whether one runs, or a Drain
  // is posted; which of the two; and whether Run() is over.
  std::deque<std::function<void()>> waiting_;
  bool taken_ = false;
  bool handed_over_ = false;
  bool closed_ = false;
};

}  // namespace vigil
