#include "measured.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <vector>

namespace vigil {
namespace {

using Milliseconds = std::chrono::duration<double, std::milli>;

// Times, in milliseconds, or counts of what must not happen.
struct Series {
  std::string scenario;
  std::string what;
  bool counts = false;
  std::optional<double> bound;
  std::vector<double> values;
  int rounds = 0;
};

// In the order in which they were first taken down.
std::vector<Series>& All() {
  static std::vector<Series> all;
  return all;
}

void Add(const std::string& what, bool counts, std::optional<double> bound, double value,
         int rounds = 1) {
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  const std::string scenario = test == nullptr ? "" : test->name();
  for (Series& series : All()) {
    if (series.scenario == scenario && series.what == what) {
      series.values.push_back(value);
      series.rounds += rounds;
      return;
    }
  }
  All().push_back({scenario, what, counts, bound, {value}, rounds});
}

std::string LineOf(const Series& series, const std::vector<double>& sorted) {
  if (series.counts) {
    double sum = 0;
    for (const double value : sorted) sum += value;
    return fmt::format("measured: {}: {}: {:g} in {} rounds, bound 0", series.scenario, series.what,
                       sum, series.rounds);
  }
  return fmt::format("measured: {}: {}: min/p50/max {:.0f}/{:.0f}/{:.0f} ms of {}, bound {}",
                     series.scenario, series.what, sorted.front(), sorted[sorted.size() / 2],
                     sorted.back(), sorted.size(),
                     series.bound ? fmt::format("{:.0f} ms", *series.bound) : "none");
}

class Printing : public ::testing::Environment {
 public:
  void TearDown() override {
    auto results = nlohmann::json::array();
    for (const Series& series : All()) {
      std::vector<double> sorted = series.values;
      std::sort(sorted.begin(), sorted.end());
      std::printf("%s\n", LineOf(series, sorted).c_str());
      nlohmann::json result = {{"scenario", series.scenario},
                               {"what", series.what},
                               {"unit", series.counts ? "times" : "ms"},
                               {"rounds", series.rounds},
                               {"min", sorted.front()},
                               {"p50", sorted[sorted.size() / 2]},
                               {"max", sorted.back()},
                               {"values", series.values}};
      if (series.bound) result["bound"] = *series.bound;
      results.push_back(std::move(result));
    }
    std::fflush(stdout);
    const char* file = std::getenv("VIGIL_SCENARIO_RESULTS");
    if (file != nullptr) std::ofstream(file, std::ios::trunc) << results.dump(2) << '\n';
  }
};

}  // namespace

bool InFull() {
  const char* chosen = std::getenv("VIGIL_SCENARIO");
  return chosen != nullptr && std::string_view(chosen) == "full";
}

void ExpectWithin(const std::string& what, Duration took, Duration bound) {
  Add(what, false, Milliseconds(bound).count(), Milliseconds(took).count());
  EXPECT_LE(Milliseconds(took).count(), Milliseconds(bound).count()) << what;
}

void TakeDown(const std::string& what, Duration took) {
  Add(what, false, std::nullopt, Milliseconds(took).count());
}

void ExpectNone(const std::string& what, size_t times, int rounds) {
  Add(what, true, 0, static_cast<double>(times), rounds);
  EXPECT_EQ(times, 0U) << what;
}

void ReportMeasurements() { ::testing::AddGlobalTestEnvironment(new Printing()); }

}  // namespace vigil
