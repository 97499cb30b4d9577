// Moments that coordinators do not share.
#pragma once

#include <random>

#include "base/clock.h"

namespace vigil {

inline Duration Between(Duration least, Duration most, std::mt19937_64& random) {
  std::uniform_int_distribution<Duration::rep> between(least.count(), most.count());
  return Duration(between(random));
}

// Between half an interval and one and a half: coordinators that do the same at the same pace fall
// out of step.
inline Duration Around(Duration interval, std::mt19937_64& random) {
  return Between(interval / 2, interval * 3 / 2, random);
}

}  // namespace vigil
