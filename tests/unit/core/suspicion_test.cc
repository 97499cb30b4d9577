#include "core/suspicion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Instant kStart{seconds(1000)};
constexpr SuspicionNumber kFirst{1};
constexpr SuspicionNumber kSecond{2};

class Suspicions : public testing::Test {
 protected:
  std::vector<SuspicionNumber> Observe(const std::vector<Standing<SuspicionNumber>>& standing,
                                       Duration at) {
    return tracker_.Observe(standing, kStart + at);
  }
  SuspicionTracker<SuspicionNumber> tracker_{seconds(2)};
};

// P1: a free lock alone is no death.
TEST_F(Suspicions, Due_OnlyAfterTheWholeGrace) {
  EXPECT_THAT(Observe({{kFirst, seconds(3)}}, seconds(0)), IsEmpty());
  EXPECT_THAT(Observe({{kFirst, seconds(3)}}, seconds(1)), IsEmpty());
  EXPECT_THAT(Observe({{kFirst, seconds(3)}}, milliseconds(2999)), IsEmpty());
  EXPECT_THAT(Observe({{kFirst, seconds(3)}}, seconds(3)), ElementsAre(kFirst));
}

// P2: whoever makes one need not wait until it reads it.
TEST_F(Suspicions, Due_ItsMakerHasReadItAtOnce) {
  tracker_.Saw(kStart);
  tracker_.Raised(kFirst, kStart);
  EXPECT_THAT(Observe({{kFirst, seconds(3)}}, seconds(1)), IsEmpty());
  EXPECT_THAT(Observe({{kFirst, seconds(3)}}, milliseconds(2999)), IsEmpty());
  EXPECT_THAT(Observe({{kFirst, seconds(3)}}, seconds(3)), ElementsAre(kFirst));
}

TEST_F(Suspicions, Due_ARefutedOneStartsAnew) {
  Observe({{kFirst, seconds(3)}}, seconds(0));
  Observe({}, seconds(1));
  EXPECT_THAT(Observe({{kFirst, seconds(3)}}, seconds(2)), IsEmpty());
  EXPECT_THAT(Observe({{kFirst, seconds(3)}}, seconds(4)), IsEmpty());
  EXPECT_THAT(Observe({{kFirst, seconds(3)}}, seconds(5)), ElementsAre(kFirst));
}

TEST_F(Suspicions, Due_EachNumberHasItsOwnGrace) {
  Observe({{kFirst, seconds(1)}}, seconds(0));
  EXPECT_THAT(Observe({{kFirst, seconds(1)}, {kSecond, seconds(1)}}, seconds(1)),
              ElementsAre(kFirst));
  EXPECT_THAT(Observe({{kSecond, seconds(1)}}, seconds(2)), ElementsAre(kSecond));
}

// P10: whoever was blind for a while has seen nothing.
TEST_F(Suspicions, Due_ABlindObserverStartsAnew) {
  Observe({{kFirst, seconds(3)}}, seconds(0));
  EXPECT_THAT(Observe({{kFirst, seconds(3)}}, seconds(10)), IsEmpty());
  EXPECT_THAT(Observe({{kFirst, seconds(3)}}, seconds(12)), IsEmpty());
  EXPECT_THAT(Observe({{kFirst, seconds(3)}}, seconds(13)), ElementsAre(kFirst));
}

// P2: a round of many verdicts takes its time; while the database answers, nothing is forgotten.
TEST_F(Suspicions, Due_VerdictsThatTakeLongAreNoGap) {
  Observe({{kFirst, seconds(5)}}, seconds(0));
  EXPECT_EQ(tracker_.Saw(kStart + seconds(2)), 0U);
  EXPECT_EQ(tracker_.Saw(kStart + seconds(4)), 0U);
  EXPECT_THAT(Observe({{kFirst, seconds(5)}}, seconds(5)), ElementsAre(kFirst));
}

// P10: a pause between two verdicts is a gap like any other.
TEST_F(Suspicions, Due_APauseBetweenVerdictsIsAGap) {
  Observe({{kFirst, seconds(5)}}, seconds(0));
  EXPECT_EQ(tracker_.Saw(kStart + seconds(1)), 0U);
  EXPECT_EQ(tracker_.Saw(kStart + milliseconds(3001)), 1U);
  EXPECT_THAT(Observe({{kFirst, seconds(5)}}, seconds(5)), IsEmpty());
}

// P9: what was read of other locks is not carried over.
TEST_F(Suspicions, Due_OtherLocksStartItAnew) {
  Observe({{kFirst, seconds(3)}}, seconds(0));
  Observe({{kFirst, seconds(3)}}, seconds(2));
  tracker_.Forget();
  EXPECT_THAT(Observe({{kFirst, seconds(3)}}, seconds(3)), IsEmpty());
  EXPECT_THAT(Observe({{kFirst, seconds(3)}}, seconds(5)), IsEmpty());
  EXPECT_THAT(Observe({{kFirst, seconds(3)}}, seconds(6)), ElementsAre(kFirst));
}

}  // namespace
}  // namespace vigil
