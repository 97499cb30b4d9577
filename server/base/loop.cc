#include "base/loop.h"

#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <utility>

namespace vigil {
namespace {

// How many callbacks a thread runs in a row before it leaves the others to the loop's: a message of
// its own may be waiting, and so may sockets and timers.
constexpr int kMostInARow = 64;

// An exception ends the process here. On gRPC's threads it would be swallowed on its way out, and
// the loop be taken for ever.
void Call(const std::function<void()>& callback) noexcept { callback(); }

// The callback is shared with the pending wait, so that a timer may be destroyed from inside its
// own callback.
class AsioTimer final : public Timer {
 public:
  AsioTimer(EventLoop& loop, Duration delay, std::function<void()> callback)
      : timer_(loop.context(), delay), alive_(std::make_shared<bool>(true)) {
    timer_.async_wait([&loop, alive = std::weak_ptr<bool>(alive_),
                       callback = std::move(callback)](const std::error_code& error) mutable {
      if (error) return;
      loop.Dispatch([alive = std::move(alive), callback = std::move(callback)] {
        if (!alive.expired()) callback();
      });
    });
  }

 private:
  asio::steady_timer timer_;
  std::shared_ptr<bool> alive_;
};

}  // namespace

void EventLoop::Post(std::function<void()> callback) {
  asio::post(context_,
             [this, callback = std::move(callback)]() mutable { Dispatch(std::move(callback)); });
}

void EventLoop::Dispatch(std::function<void()> callback) {
  {
    std::lock_guard lock(mutex_);
    if (closed_) return;
    if (taken_) {
      waiting_.push_back(std::move(callback));
      return;
    }
    taken_ = true;
  }
  Call(callback);
  callback = nullptr;
  Drain();
}

void EventLoop::Drain() {
  for (int in_a_row = 1;; ++in_a_row) {
    std::function<void()> next;
    {
      std::lock_guard lock(mutex_);
      handed_over_ = false;
      if (closed_ || waiting_.empty()) {
        taken_ = false;
        idle_.notify_all();
        return;
      }
      if (in_a_row == kMostInARow) {
        HandOver();
        return;
      }
      next = std::move(waiting_.front());
      waiting_.pop_front();
    }
    Call(next);
  }
}

void EventLoop::HandOver() {
  handed_over_ = true;
  asio::post(context_, [this] { Drain(); });
}

std::unique_ptr<Timer> EventLoop::After(Duration delay, std::function<void()> callback) {
  return std::make_unique<AsioTimer>(*this, delay, std::move(callback));
}

void EventLoop::Run() {
  {
    std::lock_guard lock(mutex_);
    closed_ = false;
    if (!taken_ && !waiting_.empty()) {
      taken_ = true;
      HandOver();
    }
  }
  auto work = asio::make_work_guard(context_);
  context_.run();
  std::unique_lock lock(mutex_);
  closed_ = true;
  idle_.wait(lock, [this] { return !taken_ || handed_over_; });
}

void EventLoop::Stop() { context_.stop(); }

}  // namespace vigil
