// The rules of a lease, under a simulated clock: several coordinators behind one address.
#include "client/lease_keeper_fixture.h"

namespace vigil::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// P1: a host that only stalled reads `Detach` before the end, and not its pod's death.
TEST_F(LeaseKeeperTest, OneAddress_SilenceDetachesAndOpensANewConnectionToIt) {
  BeHosted(1);
  RunTo(milliseconds(2010));
  EXPECT_EQ(Count<action::Drop>(), 0U);
  const auto detach = Take<action::Detach>();
  EXPECT_EQ(detach.stream, stream_);
  EXPECT_TRUE(detach.unresponsive);
  EXPECT_EQ(detach.linger, kTerms.lease);
  const auto open = Opened();
  EXPECT_EQ(open.address, 0U);
  EXPECT_TRUE(open.resume);
}

// P9: one address may stand for several coordinators.
TEST_F(LeaseKeeperTest, OneAddress_DrainingAsksBehindItWithANewConnectionAndGivesNothingUp) {
  BeHosted(1);
  keeper_->OnDraining(stream_, now_);
  const auto inquire = Take<action::Inquire>();
  EXPECT_EQ(inquire.address, 0U);
  EXPECT_TRUE(inquire.anew);
  EXPECT_EQ(Count<action::Open>(), 0U);
  RunTo(milliseconds(500));
  keeper_->OnWelcome(0, now_);
  ExpectAMoveWithAWholeLease(0, {true});
}

TEST_F(LeaseKeeperTest, OneAddress_TheMoveUsesTheConnectionThatWasAskedOn) {
  BeHosted(1);
  keeper_->OnDraining(stream_, now_);
  for (int i = 0; i < 2; ++i) {
    keeper_->OnWelcome(0, now_);
    const auto open = Opened();
    EXPECT_TRUE(open.resume);
    EXPECT_FALSE(open.anew);
    if (i == 0) keeper_->OnStreamEnded(open.stream, now_, Refusal(Reason::kDraining));
    if (i == 1) keeper_->OnHosted(open.stream, now_, kTerms);
  }
  EXPECT_EQ(Take<action::Detach>().stream, stream_);
  EXPECT_EQ(keeper_->state(), SelfState::kAlive);
}

// Whoever answers may be the same one, or nobody: heartbeats go on all the time.
TEST_F(LeaseKeeperTest, OneAddress_WithNobodyElseBehindItThereIsNoChurnAndNoSuspension) {
  BeHosted(1);
  keeper_->OnDraining(stream_, now_);
  std::size_t inquiries = 0;
  std::size_t heartbeats = 0;
  const Time end = now_ + seconds(20);
  while (now_ < end) {
    EXPECT_EQ(Count<action::Open>(), 0U);
    inquiries += Count<action::Inquire>();
    heartbeats += Count<action::Heartbeat>();
    if (Count<action::Heartbeat>() > 0) Answer();
    Forget();
    EXPECT_EQ(keeper_->state(), SelfState::kAlive);
    now_ = *keeper_->next_wake();
    keeper_->OnTimer(now_);
  }
  EXPECT_GE(inquiries, 10U);  // somebody comes in time
  EXPECT_LE(inquiries, 20U);
  EXPECT_GE(heartbeats, 19U);
}

TEST_F(LeaseKeeperTest, OneAddress_AHostThatGrantsNoLeaseIsLeftForOneThatTakesPodsIn) {
  BeHosted(1);
  RunTo(milliseconds(1010));
  Answer({.lease_granted = false});
  EXPECT_TRUE(Take<action::Inquire>().anew);
  EXPECT_EQ(Count<action::Open>(), 0U);
  RunTo(milliseconds(1100));
  keeper_->OnWelcome(0, now_);
  const auto open = Opened();
  keeper_->OnHosted(open.stream, now_, kTerms);
  EXPECT_EQ(keeper_->state(), SelfState::kAlive);
  EXPECT_EQ(Elapsed(*keeper_->lease_until()), milliseconds(4100));
}

// An outage of the database, in which every coordinator is degraded, makes no storm of connections.
TEST_F(LeaseKeeperTest, OneAddress_DegradedAsksOnceInALease) {
  BeHosted(1);
  std::vector<int> asked;
  for (int beat = 1; beat <= 12; ++beat) {
    RunTo(seconds(beat) + milliseconds(10));
    Answer({.lease_granted = true, .link_degraded = true});
    if (Count<action::Inquire>() > 0) asked.push_back(beat);
    Forget();
  }
  EXPECT_EQ(asked, (std::vector<int>{1, 4, 7, 10}));
}

// However short the leases, the handshakes of all pods come to coordinators that have to answer
// heartbeats meanwhile.
TEST_F(LeaseKeeperTest, OneAddress_DegradedAsksShortLeasesNoMoreOftenThanLongOnes) {
  constexpr LeaseTerms kShort{milliseconds(500), milliseconds(100), milliseconds(100)};
  Begin(1, kShort.lease);
  stream_ = Opened().stream;
  keeper_->OnHosted(stream_, now_, kShort);
  Answer();
  Forget();
  std::vector<int> asked;
  for (int beat = 1; beat <= 65; ++beat) {
    RunTo(beat * kShort.heartbeat_interval);
    Answer({.lease_granted = true, .link_degraded = true});
    if (Count<action::Inquire>() > 0) asked.push_back(beat);
    Forget();
  }
  EXPECT_EQ(asked, (std::vector<int>{1, 21, 41, 61}));
  // Without leases it is urgent, whenever the next question would have been.
  RunTo(66 * kShort.heartbeat_interval);
  Answer({.lease_granted = false});
  EXPECT_EQ(Count<action::Inquire>(), 1U);
  Forget();
  RunTo(66 * kShort.heartbeat_interval + kShort.lease / 4);
  EXPECT_EQ(Count<action::Inquire>(), 1U);
}

TEST_F(LeaseKeeperTest, OneAddress_HostsThatNeverGrantAreNotTriedWithoutRest) {
  BeHosted(1);
  RunTo(milliseconds(1010));
  Answer({.lease_granted = false});
  const int turns = CountTurns<action::Inquire>(seconds(2), [&] {
    keeper_->OnWelcome(0, now_);
    keeper_->OnHosted(Opened().stream, now_, kTerms);
  });
  EXPECT_LT(turns, 10);
}

TEST_F(LeaseKeeperTest, OneAddress_ARefusalThatIsOneCoordinatorsIsFollowedByANewConnection) {
  Begin(1);
  const auto refused = Opened();
  EXPECT_FALSE(refused.anew);
  keeper_->OnStreamEnded(refused.stream, now_, Refusal(Reason::kDraining));
  now_ = *keeper_->next_wake();
  keeper_->OnTimer(now_);
  const auto again = Opened();
  EXPECT_TRUE(again.anew);
  keeper_->OnStreamEnded(again.stream, now_, Broken());
  now_ = *keeper_->next_wake();
  keeper_->OnTimer(now_);
  EXPECT_FALSE(Opened().anew) << "a connection that broke is made anew by itself";
}

}  // namespace
}  // namespace vigil::client
