#include "metrics/histogram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;

constexpr Duration kBounds[] = {milliseconds(10), seconds(1)};

TEST(Histogram, ABucketTakesWhatIsNoMoreThanItsBound) {
  Histogram histogram(kBounds);
  histogram.Observe(milliseconds(10));
  histogram.Observe(milliseconds(11));
  histogram.Observe(seconds(1));
  histogram.Observe(seconds(2));
  histogram.Observe(-milliseconds(1));
  const auto reading = histogram.Read();
  EXPECT_THAT(reading.up_to, ElementsAre(2, 4, 5));
  EXPECT_EQ(reading.sum, milliseconds(10 + 11 + 1000 + 2000));
}

TEST(Histogram, NothingIsLostWhenManyObserve) {
  constexpr int kEach = 20000;
  Histogram histogram(kBounds);
  const auto observe = [&] {
    for (int i = 0; i < kEach; ++i) histogram.Observe(milliseconds(1));
  };
  std::thread other(observe);
  observe();
  other.join();
  const auto reading = histogram.Read();
  EXPECT_THAT(reading.up_to, ElementsAre(2 * kEach, 2 * kEach, 2 * kEach));
  EXPECT_EQ(reading.sum, milliseconds(2 * kEach));
}

}  // namespace
}  // namespace vigil
