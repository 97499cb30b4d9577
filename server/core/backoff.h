// How long to wait before trying again.
#pragma once

#include <algorithm>
#include <random>

#include "base/clock.h"

namespace vigil {

// Doubles from `first` to `longest`; each wait is drawn between half of that and all of it, so that
// those that failed together do not return together.
class Backoff {
 public:
  Backoff(Duration first, Duration longest, uint64_t seed)
      : first_(first), longest_(longest), next_(first), random_(seed) {}

  Duration Next() {
    const Duration whole = next_;
    next_ = std::min(next_ * 2, longest_);
    std::uniform_int_distribution<Duration::rep> between(whole.count() / 2, whole.count());
    return Duration(between(random_));
  }

  void Reset() { next_ = first_; }

 private:
  Duration first_;
  Duration longest_;
  Duration next_;
  std::mt19937_64 random_;
};

}  // namespace vigil
