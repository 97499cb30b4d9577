// How a subscription paces its attempts, and how every wait is bounded.
#include "reconnect_pace.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>
#include <thread>

namespace vigil::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

using Concerns = ReconnectPace::Concerns;

const Random kMost = [] { return 0.999999; };

TEST(BackoffTest, Backoff_DoublesUpToItsBound) {
  EXPECT_NEAR(static_cast<double>(Backoff(milliseconds(100), seconds(10), 0, kMost).count()), 1e8,
              1e3);
  EXPECT_NEAR(static_cast<double>(Backoff(milliseconds(100), seconds(10), 3, kMost).count()), 8e8,
              1e4);
  EXPECT_LE(Backoff(milliseconds(100), seconds(10), 7, kMost), seconds(10));
}

TEST(BackoffTest, Backoff_DoesNotOverflow) {
  const auto failures = std::numeric_limits<unsigned>::max();
  EXPECT_LE(Backoff(milliseconds(100), Duration::max() / 2, failures, kMost), Duration::max() / 2);
  EXPECT_GT(Backoff(milliseconds(100), seconds(10), failures, kMost), seconds(5));
}

TEST(BackoffTest, Backoff_IsSpreadOverHalfOfItself) {
  const Random random = SystemRandom();
  Duration least = Duration::max();
  Duration most{};
  for (int i = 0; i < 1000; ++i) {
    const Duration wait = Backoff(seconds(1), seconds(1), 0, random);
    least = std::min(least, wait);
    most = std::max(most, wait);
  }
  EXPECT_GE(least, milliseconds(500));
  EXPECT_LE(most, seconds(1));
  EXPECT_GT(most - least, milliseconds(400));
}

// Two pods of one image, started in the same second, do not draw the same numbers.
TEST(BackoffTest, Random_EveryThreadHasItsOwnSeed) {
  std::set<double> drawn;
  for (int i = 0; i < 8; ++i) {
    std::thread([&] { drawn.insert(SystemRandom()()); }).join();
  }
  EXPECT_EQ(drawn.size(), 8U);
}

TEST(ReconnectPaceTest, Reconnect_AtOnceAfterALongHealthyStream) {
  ReconnectPace pace(kMost);
  const Time start(seconds(100));
  pace.OnAttempt(start);
  EXPECT_EQ(pace.OnEnd(start + seconds(60), Concerns::kThisOne), start + seconds(60));
}

TEST(ReconnectPaceTest, Reconnect_CountsFromTheStartOfTheLastAttempt) {
  ReconnectPace pace(kMost);
  const Time start(seconds(100));
  pace.OnAttempt(start);
  EXPECT_LE(pace.OnEnd(start + milliseconds(60), Concerns::kThisOne), start + milliseconds(100));
}

TEST(ReconnectPaceTest, Reconnect_AStreamThatFlapsIsSlowedDown) {
  ReconnectPace pace(kMost);
  Time now(seconds(100));
  Duration gap{};
  for (int i = 0; i < 20; ++i) {
    pace.OnAttempt(now);
    const Time next = pace.OnEnd(now + milliseconds(1), Concerns::kThisOne);
    gap = next - now;
    now = next;
  }
  EXPECT_GT(gap, seconds(9));
  EXPECT_LE(gap, ReconnectPace::kMost);
}

TEST(ReconnectPaceTest, Reconnect_WhatConcernsAllIsSpread) {
  std::set<Duration> waits;
  for (int i = 0; i < 100; ++i) {
    ReconnectPace pace(SystemRandom());
    const Time start(seconds(100));
    const Time end = start + seconds(60);
    pace.OnAttempt(start);
    const Duration wait = pace.OnEnd(end, Concerns::kAll) - end;
    EXPECT_GE(wait, Duration::zero());
    EXPECT_LE(wait, ReconnectPace::kSpread);
    waits.insert(wait);
  }
  EXPECT_GT(*waits.rbegin() - *waits.begin(), ReconnectPace::kSpread / 2);
  EXPECT_GT(waits.size(), 90U);
}

TEST(ReconnectPaceTest, Reconnect_AMonthOfFailuresOverflowsNothing) {
  ReconnectPace pace(kMost);
  Time now(seconds(100));
  const Time end = now + std::chrono::hours(24 * 30);
  while (now < end) {
    pace.OnAttempt(now);
    const Time next = pace.OnEnd(now, Concerns::kAll);
    ASSERT_GT(next, now);
    ASSERT_LE(next - now, ReconnectPace::kMost);
    now = next;
  }
  pace.OnAttempt(now);
  EXPECT_EQ(pace.OnEnd(now + seconds(10), Concerns::kThisOne), now + seconds(10));  // and over
}

}  // namespace
}  // namespace vigil::client
