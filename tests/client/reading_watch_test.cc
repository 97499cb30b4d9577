// When a subscription leaves a coordinator that does not read the log.
#include "reading_watch.h"

#include <gtest/gtest.h>

namespace vigil::client {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

const Random kMost = [] { return 0.999999; };
const Time kStart(seconds(1000));

TEST(ReadingWatchTest, Tolerance_IsExceededByOnePositionAndMendedByTheNext) {
  ReadingWatch watch(seconds(10), kMost);
  EXPECT_FALSE(watch.WantsToAsk(kStart));
  watch.OnPosition(seconds(10));
  EXPECT_FALSE(watch.WantsToAsk(kStart));
  watch.OnPosition(seconds(10) + milliseconds(1));
  EXPECT_TRUE(watch.WantsToAsk(kStart));
  watch.OnPosition(seconds(1));
  EXPECT_FALSE(watch.WantsToAsk(kStart));
  watch.OnPosition(seconds(11));
  watch.OnRead();
  EXPECT_FALSE(watch.WantsToMove(kStart));
}

TEST(ReadingWatchTest, Questions_ComeEverMoreSeldomInALongOutage) {
  ReadingWatch watch(seconds(10), kMost);
  Time now = kStart;
  Time asked = kStart;
  int questions = 0;
  for (; now < kStart + hours(24); now += seconds(5)) {
    watch.OnPosition(now - kStart + seconds(11));
    if (!watch.WantsToAsk(now)) continue;
    watch.OnAsked(now);
    if (questions > 5) {
      EXPECT_GE(now - asked, seconds(29));
    }
    EXPECT_LE(now - asked, seconds(35));
    asked = now;
    ++questions;
  }
  EXPECT_LT(questions, 24 * 3600 / 29);
}

TEST(ReadingWatchTest, Move_NoOtherOneFollowsSoonHoweverWellTheLogWasRead) {
  ReadingWatch watch(seconds(10), kMost);
  watch.OnPosition(seconds(11));
  ASSERT_TRUE(watch.WantsToMove(kStart));
  watch.OnMove(kStart);
  watch.OnRead();
  watch.OnPosition(seconds(11));
  EXPECT_FALSE(watch.WantsToMove(kStart + ReadingWatch::kBetweenMoves - milliseconds(1)));
  EXPECT_TRUE(watch.WantsToMove(kStart + ReadingWatch::kBetweenMoves));
}

}  // namespace
}  // namespace vigil::client
