// What is told of many measurements of one thing.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "base/clock.h"

namespace vigil::bench {

using Json = nlohmann::ordered_json;

// Percentiles by nearest rank, so that each is a measurement that was made: with fewer than a
// hundred of them, p99 is the maximum.
struct Summary {
  Duration min{};
  Duration p50{};
  Duration p99{};
  Duration max{};
};

// REQUIRES: at least one measurement.
Summary Summarize(std::vector<Duration> measurements);

// In milliseconds, to the microsecond.
double Milliseconds(Duration duration);
double Microseconds(Duration duration);
Json ToJson(const Summary& summary);

}  // namespace vigil::bench
