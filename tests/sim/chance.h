// What looks random in a simulation: a small generator, one for each thing that draws, so that what
// one of them draws does not change what another one does.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace vigil::sim {

// SplitMix64.
class Chance {
 public:
  explicit Chance(uint64_t seed) : state_(seed) {}

  // A generator for something that this one's owner has, known by a number.
  Chance For(uint64_t number) const { return Chance(Mix(state_ ^ Mix(number + 1))); }

  uint64_t Draw() {
    state_ += 0x9e3779b97f4a7c15;
    return Mix(state_);
  }
  // REQUIRES: n > 0.
  int Below(int n) { return static_cast<int>(Draw() % static_cast<uint64_t>(n)); }
  bool OneIn(int n) { return Below(n) == 0; }
  // Uniform in [0, 1).
  double Share() { return static_cast<double>(Draw() >> 11) * 0x1.0p-53; }
  // REQUIRES: least <= most.
  Duration Between(Duration least, Duration most) {
    return least + Duration(static_cast<Duration::rep>(
                       Draw() % static_cast<uint64_t>((most - least).count() + 1)));
  }

 private:
  static uint64_t Mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  uint64_t state_;
};

}  // namespace vigil::sim
