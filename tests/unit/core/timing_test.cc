#include "core/timing.h"

#include <gtest/gtest.h>

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// P7: on weak evidence the last lease may be granted T after the last proof of the lock, and runs
// for L.
TEST(Timing, Grace_OutlastsTrustAndLease) {
  for (const auto trust : {seconds(2), seconds(15), seconds(60)}) {
    for (const Duration lease :
         {Duration(milliseconds(500)), Duration(seconds(3)), Duration(seconds(60))}) {
      Timing timing;
      timing.trust_window = trust;
      const double slowest = 1.0 + timing.clock_rate_permille / 1000.0;
      EXPECT_GE(GraceFor(Profile::kStrict, lease, timing).count(),
                static_cast<double>((trust + lease).count()) * slowest - 1);
    }
  }
}

TEST(Timing, Grace_FastIsItsOwnSetting) {
  Timing timing;
  timing.fast_grace = seconds(2);
  EXPECT_EQ(GraceFor(Profile::kFast, seconds(60), timing), seconds(2));
}

TEST(Timing, Stretched_CoversTheSlowestClock) {
  EXPECT_EQ(Stretched(seconds(10), Timing{.clock_rate_permille = 10}), milliseconds(10100));
  EXPECT_EQ(Stretched(seconds(10), Timing{.clock_rate_permille = 0}), seconds(10));
}

TEST(Timing, Terms_StopInTimeAndBeatThrice) {
  const LeaseTerms terms = TermsFor(seconds(3));
  EXPECT_EQ(terms.heartbeat_interval, seconds(1));
  EXPECT_EQ(terms.stop_margin, milliseconds(500));
  // A short lease keeps three quarters of itself for work.
  EXPECT_EQ(TermsFor(milliseconds(800)).stop_margin, milliseconds(200));
}

TEST(Timing, Check_RefusesWhatCannotHold) {
  EXPECT_TRUE(CheckTiming(Timing{}));
  EXPECT_FALSE(CheckTiming(Timing{.trust_window = seconds(1), .ping_interval = milliseconds(500)}));
  EXPECT_FALSE(CheckTiming(Timing{.probe_interval = seconds(2), .fast_grace = seconds(3)}));
  EXPECT_FALSE(CheckTiming(Timing{.default_lease = milliseconds(100)}));
  EXPECT_FALSE(CheckTiming(Timing{.clock_rate_permille = 501}));
  EXPECT_FALSE(CheckTiming(Timing{.ping_interval = Duration::zero()}));
}

}  // namespace
}  // namespace vigil
