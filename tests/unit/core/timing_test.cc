#include "core/timing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

// The shortest lease that a pod may ask for, the longest, and those between.
std::vector<Duration> Leases() {
  std::vector<Duration> leases;
  for (Duration lease = kShortestLease; lease <= kLongestLease; lease += milliseconds(137)) {
    leases.push_back(lease);
  }
  leases.push_back(kLongestLease);
  return leases;
}

std::string Refusal(const Timing& timing) {
  const auto checked = CheckTiming(timing);
  return checked ? "accepted" : checked.error().message;
}

// P7: on weak evidence the last lease may be granted T after the last proof of the lock, and runs
// for L; both clocks may be slow by r.
TEST(Timing, Grace_OutlastsTrustAndLease) {
  for (const int permille : {0, 1, 10, 500}) {
    for (const Duration trust :
         {Duration(milliseconds(1501)), Duration(seconds(15)), Duration(std::chrono::hours(24))}) {
      for (const Duration lease : Leases()) {
        const Timing timing{.trust_window = trust, .clock_rate_permille = permille};
        const Duration grace = GraceFor(Profile::kStrict, lease, timing);
        EXPECT_GE(grace.count() * 1000, (trust + lease).count() * (1000 + permille));
      }
    }
  }
}

// P9: a silent host is given up after a third of the lease, and the resume may take another third.
TEST(Timing, Grace_FastIsItsOwnSettingUnlessThePodCouldNotMoveInTime) {
  const Timing timing{.fast_grace = seconds(2), .clock_rate_permille = 10};
  EXPECT_EQ(GraceFor(Profile::kFast, seconds(1), timing), seconds(2));
  EXPECT_EQ(GraceFor(Profile::kFast, seconds(60), timing), milliseconds(40400));
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

// Whatever lease a pod asks for: one lost heartbeat costs no lease, since the next one is sent
// before the margin begins, and a pod has the margin to stop its work.
TEST(Timing, Terms_OneLostHeartbeatCostsNoLease) {
  for (const Duration lease : Leases()) {
    const LeaseTerms terms = TermsFor(lease);
    EXPECT_EQ(terms.lease, lease);
    EXPECT_LE(3 * terms.heartbeat_interval, lease);
    EXPECT_LE(2 * terms.heartbeat_interval + lease / 12, lease - terms.stop_margin);
    EXPECT_LE(terms.stop_margin, std::min<Duration>(milliseconds(500), lease / 4));
    EXPECT_GE(terms.stop_margin, milliseconds(125));
  }
}

TEST(Timing, Check_RefusesWhatCannotHold) {
  EXPECT_TRUE(CheckTiming(Timing{}));
  EXPECT_FALSE(CheckTiming(Timing{.default_lease = milliseconds(100)}));
  EXPECT_FALSE(CheckTiming(Timing{.default_lease = seconds(61)}));
  EXPECT_FALSE(CheckTiming(Timing{.clock_rate_permille = -1}));
  EXPECT_FALSE(CheckTiming(Timing{.clock_rate_permille = 501}));
  EXPECT_FALSE(CheckTiming(Timing{.ping_interval = Duration::zero()}));
  EXPECT_FALSE(CheckTiming(Timing{.probe_interval = Duration::zero()}));
}

TEST(Timing, Check_ShowsTheArithmetic) {
  EXPECT_EQ(Refusal({.trust_window = seconds(1), .ping_interval = milliseconds(500)}),
            "trust window 1 s < 3 x ping interval 0.5 s = 1.5 s: one late ping would stop every "
            "lease");
  EXPECT_EQ(Refusal({.probe_interval = seconds(2), .fast_grace = seconds(3)}),
            "FAST grace 3 s < 2 x probe interval 2 s = 4 s: no suspicion could be refuted in time");
  EXPECT_EQ(Refusal({.default_lease = milliseconds(499)}),
            "default lease 0.499 s is outside 0.5 s to 60 s");
  EXPECT_THAT(Refusal({.clock_rate_permille = 501}), HasSubstr("501 permille is outside 0 to 500"));
}

TEST(Timing, Check_TheIdleSessionTimeoutOutlastsALatePing) {
  const Timing timing{.ping_interval = seconds(1)};
  EXPECT_TRUE(CheckIdleSessionTimeout(seconds(3), timing));
  const auto refused = CheckIdleSessionTimeout(milliseconds(2999), timing);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "idle session timeout 2.999 s < 3 x ping interval 1 s = 3 s: one late ping would cost "
            "every lock");
}

}  // namespace
}  // namespace vigil
