#include "callback_lane.h"

#include <utility>

namespace vigil::client {

CallbackLane::CallbackLane(std::function<void(std::size_t)> on_left_out)
    : on_left_out_(std::move(on_left_out)) {}

CallbackLane::~CallbackLane() { loop_.Flush(); }

void CallbackLane::Post(std::function<void()> callback) {
  MutexLock lock(mutex_);
  if (waiting_ >= kMost) {
    if (left_out_++ == 0) loop_.Post([this] { TellLeftOut(); });
    return;
  }
  ++waiting_;
  loop_.Post([this, callback = std::move(callback)] {
    {
      MutexLock begun(mutex_);
      --waiting_;
    }
    callback();
  });
}

void CallbackLane::PostSurely(std::function<void()> callback) { loop_.Post(std::move(callback)); }

void CallbackLane::TellLeftOut() {
  std::size_t count = 0;
  {
    MutexLock lock(mutex_);
    count = std::exchange(left_out_, 0);
  }
  on_left_out_(count);
}

}  // namespace vigil::client
