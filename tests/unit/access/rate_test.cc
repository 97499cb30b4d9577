// How often each of many may do something.
#include "access/rate.h"

#include <gtest/gtest.h>

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

int TakeAll(Rate& rate, const std::string& name, Instant now) {
  int taken = 0;
  while (rate.Take(name, now)) ++taken;
  return taken;
}

TEST(Rate, ABurstAndThenASteadyFlow) {
  Rate rate(5);
  Instant now{seconds(100)};
  EXPECT_EQ(TakeAll(rate, "web", now), 50);
  now += milliseconds(999);
  EXPECT_EQ(TakeAll(rate, "web", now), 4);
  now += milliseconds(1);
  EXPECT_EQ(TakeAll(rate, "web", now), 1);
  now += seconds(3600);
  EXPECT_EQ(TakeAll(rate, "web", now), 50);
}

TEST(Rate, OneDoesNotTakeFromAnother) {
  Rate rate(1);
  const Instant now{seconds(100)};
  EXPECT_EQ(TakeAll(rate, "web", now), 10);
  EXPECT_EQ(TakeAll(rate, "ops", now), 10);
}

// P11
TEST(Rate, ManyNamesAreBounded) {
  Rate rate(1);
  Instant now{seconds(100)};
  for (int i = 0; i < 10'000; ++i) EXPECT_TRUE(rate.Take("pod-" + std::to_string(i), now));
  int taken = 0;
  for (int i = 0; i < 100; ++i) taken += rate.Take("more-" + std::to_string(i), now) ? 1 : 0;
  EXPECT_EQ(taken, 10) << "they share one";
  now += seconds(10);
  EXPECT_TRUE(rate.Take("yet-another", now)) << "the full ones are forgotten";
}

}  // namespace
}  // namespace vigil
