// What is said at most once in a while, however often there is cause.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

#include "base/clock.h"

namespace vigil {

// Thread-safe.
class Seldom {
 public:
  explicit Seldom(Duration rest) : rest_(rest) {}

  // If it may be said now: how often it was not, since it last was.
  std::optional<uint64_t> May(Instant now) {
    std::lock_guard lock(mutex_);
    if (said_ && now - *said_ < rest_) {
      ++unsaid_;
      return std::nullopt;
    }
    said_ = now;
    return std::exchange(unsaid_, 0);
  }

 private:
  const Duration rest_;
  std::mutex mutex_;
  std::optional<Instant> said_;  // guarded by mutex_, as what follows
  uint64_t unsaid_ = 0;
};

}  // namespace vigil
