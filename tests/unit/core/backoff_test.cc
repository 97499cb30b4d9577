#include "core/backoff.h"

#include <gtest/gtest.h>

#include <chrono>
#include <set>

namespace vigil {
namespace {

using namespace std::chrono_literals;

TEST(Backoff, DoublesUpToTheLongest) {
  Backoff backoff(100ms, 1s, 1);
  for (Duration whole : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms, 1000ms}) {
    Duration wait = backoff.Next();
    EXPECT_GE(wait, whole / 2);
    EXPECT_LE(wait, whole);
  }
}

TEST(Backoff, NeverOverflows) {
  Backoff backoff(1s, 60s, 1);
  for (int i = 0; i < 10'000; ++i) {
    Duration wait = backoff.Next();
    ASSERT_GT(wait, 0s);
    ASSERT_LE(wait, 60s);
  }
}

TEST(Backoff, ResetBeginsAnew) {
  Backoff backoff(100ms, 1s, 1);
  for (int i = 0; i < 5; ++i) backoff.Next();
  backoff.Reset();
  EXPECT_LE(backoff.Next(), 100ms);
}

TEST(Backoff, ThoseThatFailedTogetherReturnApart) {
  std::set<Duration> waits;
  for (uint64_t seed = 0; seed < 50; ++seed) waits.insert(Backoff(1s, 60s, seed).Next());
  EXPECT_GT(waits.size(), 45U);
}

}  // namespace
}  // namespace vigil
