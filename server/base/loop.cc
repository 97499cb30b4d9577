#include "base/loop.h"

#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <utility>

namespace vigil {
namespace {

// The callback is shared with the pending wait, so that a timer may be destroyed from inside its
// own callback.
class AsioTimer final : public Timer {
 public:
  AsioTimer(asio::io_context& context, Duration delay, std::function<void()> callback)
      : timer_(context, delay), alive_(std::make_shared<bool>(true)) {
    timer_.async_wait([alive = std::weak_ptr<bool>(alive_),
                       callback = std::move(callback)](const std::error_code& error) {
      if (!error && !alive.expired()) callback();
    });
  }

 private:
  asio::steady_timer timer_;
  std::shared_ptr<bool> alive_;
};

}  // namespace

void EventLoop::Post(std::function<void()> callback) { asio::post(context_, std::move(callback)); }

std::unique_ptr<Timer> EventLoop::After(Duration delay, std::function<void()> callback) {
  return std::make_unique<AsioTimer>(context_, delay, std::move(callback));
}

void EventLoop::Run() {
  auto work = asio::make_work_guard(context_);
  context_.run();
}

void EventLoop::Stop() { context_.stop(); }

}  // namespace vigil
