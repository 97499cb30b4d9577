// Moments that coordinators do not share.
#pragma once

#include <random>

#include "base/clock.h"

namespace vigil {

// Between half an interval and one and a half: coordinators that do the same at the same pace fall
// out of step.
inline Duration Around(Duration interval, std::mt19937_64& random) {
  std::uniform_int_distribution<Duration::rep> between(interval.count() / 2,
                                                       interval.count() * 3 / 2);
  return Duration(between(random));
}

}  // namespace vigil
