// The application's callbacks, one at a time.
#pragma once

#include <cstddef>
#include <functional>

#include "loop.h"
#include "mutex.h"

namespace vigil::client {

// Owns their thread. A bounded number of them waits: what comes while it is full is left out, and
// where the first of these would have been, one callback tells how many they were by then.
//
// Thread safety: everything may be called from any thread. The destructor waits for all that was
// posted.
class CallbackLane {
 public:
  static constexpr std::size_t kMost = 1000;

  explicit CallbackLane(std::function<void(std::size_t)> on_left_out);
  ~CallbackLane();
  CallbackLane(const CallbackLane&) = delete;
  CallbackLane& operator=(const CallbackLane&) = delete;

  void Post(std::function<void()> callback);
  // It is never left out. For what is posted once.
  void PostSurely(std::function<void()> callback);

 private:
  void TellLeftOut();

  const std::function<void(std::size_t)> on_left_out_;
  Mutex mutex_;
  std::size_t waiting_ VIGIL_GUARDED_BY(mutex_) = 0;
  std::size_t left_out_ VIGIL_GUARDED_BY(mutex_) = 0;
  Loop loop_;
};

}  // namespace vigil::client
