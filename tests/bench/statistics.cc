#include "statistics.h"

#include <algorithm>
#include <cmath>

namespace vigil::bench {

Summary Summarize(std::vector<Duration> measurements) {
  std::sort(measurements.begin(), measurements.end());
  const auto rank = [&](size_t percent) {
    return measurements[(measurements.size() * percent + 99) / 100 - 1];
  };
  return {measurements.front(), rank(50), rank(99), measurements.back()};
}

double Milliseconds(Duration duration) {
  return std::round(static_cast<double>(duration.count()) / 1e3) / 1e3;
}

double Microseconds(Duration duration) { return static_cast<double>(duration.count()) / 1e3; }

Json ToJson(const Summary& summary) {
  return {{"min", Milliseconds(summary.min)},
          {"p50", Milliseconds(summary.p50)},
          {"p99", Milliseconds(summary.p99)},
          {"max", Milliseconds(summary.max)}};
}

}  // namespace vigil::bench
