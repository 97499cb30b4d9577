#include "backoff.h"

#include <random>

namespace vigil::client {

Random SystemRandom() {
  return [] {
    thread_local std::mt19937_64 generator{std::random_device{}()};
    return std::uniform_real_distribution<double>(0.0, 1.0)(generator);
  };
}

Duration Backoff(Duration first, Duration most, unsigned failures, const Random& random) {
  Duration whole = first;
  for (unsigned i = 0; i < failures && whole < most; ++i) {
    whole = whole > most / 2 ? most : whole * 2;
  }
  const double share = 0.5 + random() / 2;
  return std::chrono::duration_cast<Duration>(whole * share);
}

}  // namespace vigil::client
