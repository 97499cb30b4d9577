// The rules of a lease, under a simulated clock: where a pod goes when its coordinator fails.
#include "client/lease_keeper_fixture.h"

namespace vigil::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_F(LeaseKeeperTest, Resume_AtOnceOnAnotherCoordinatorWhenTheStreamBreaks) {
  BeHosted();
  keeper_->OnStreamEnded(stream_, now_, Broken());
  const auto open = Opened();
  EXPECT_TRUE(open.resume);
  EXPECT_EQ(open.address, 1U);
  Pass(milliseconds(20));
  keeper_->OnHosted(open.stream, now_, kTerms);
  EXPECT_EQ(keeper_->state(), SelfState::kAlive);
  EXPECT_EQ(keeper_->address(), 1U);
  EXPECT_EQ(Elapsed(*keeper_->lease_until()), milliseconds(3010));
}

TEST_F(LeaseKeeperTest, Resume_GoesRoundAllAddressesBeforeItRests) {
  BeHosted();
  keeper_->OnStreamEnded(stream_, now_, Broken());
  for (const std::size_t address : {1U, 2U, 0U}) {
    const auto open = Opened();
    EXPECT_EQ(open.address, address);
    keeper_->OnStreamEnded(open.stream, now_, Broken());
  }
  EXPECT_EQ(Count<action::Open>(), 0U);
  ASSERT_TRUE(keeper_->next_wake());
  EXPECT_LE(*keeper_->next_wake() - now_, milliseconds(50));
}

TEST_F(LeaseKeeperTest, Resume_RestsLongerAfterEveryRoundButNotLongerThanTheLeaseAllows) {
  BeHosted(1);
  keeper_->OnStreamEnded(stream_, now_, Broken());
  Duration longest{};
  while (keeper_->state() == SelfState::kSuspended) {
    if (Count<action::Open>() > 0) keeper_->OnStreamEnded(Opened().stream, now_, Broken());
    longest = std::max(longest, *keeper_->next_wake() - now_);
    now_ = *keeper_->next_wake();
    keeper_->OnTimer(now_);
  }
  EXPECT_GT(longest, milliseconds(200));
  EXPECT_LE(longest, milliseconds(500));
}

TEST_F(LeaseKeeperTest, Resume_AnAttemptThatIsSilentIsDroppedAfterAThirdOfTheLease) {
  BeHosted();
  keeper_->OnStreamEnded(stream_, now_, Broken());
  const auto open = Opened();
  RunTo(milliseconds(10) + seconds(1));
  const auto drop = Take<action::Drop>();
  EXPECT_EQ(drop.stream, open.stream);
  EXPECT_TRUE(drop.unresponsive);
  EXPECT_EQ(Opened().address, 2U);
}

TEST_F(LeaseKeeperTest, Silence_StopsTheHeartbeatsAndResumesElsewhere) {
  BeHosted();
  RunTo(milliseconds(2009));
  EXPECT_EQ(Count<action::Heartbeat>(), 1U);
  Forget();
  RunTo(milliseconds(2010));
  EXPECT_EQ(keeper_->state(), SelfState::kSuspended);
  EXPECT_EQ(Count<action::Heartbeat>(), 0U);
  EXPECT_EQ(Opened().address, 1U);
}

TEST_F(LeaseKeeperTest, Silence_ALateAnswerStillCountsWhileTheOtherOneIsAsked) {
  BeHosted();
  RunTo(milliseconds(2010));
  keeper_->OnHeartbeatAnswer(stream_, now_, 2, {true});
  EXPECT_EQ(Elapsed(*keeper_->lease_until()), milliseconds(4010));
}

TEST_F(LeaseKeeperTest, Move_GoesBackToTheOldStreamOnlyWhenAllOthersRefused) {
  BeHosted();
  RunTo(milliseconds(2010));
  const auto second = Opened();
  keeper_->OnStreamEnded(second.stream, now_, Refusal(Reason::kDatabaseUnavailable));
  const auto third = Opened();
  EXPECT_EQ(third.address, 2U);
  EXPECT_EQ(Count<action::Heartbeat>(), 0U);
  keeper_->OnStreamEnded(third.stream, now_, Refusal(Reason::kDraining));
  const auto heartbeat = Take<action::Heartbeat>();
  EXPECT_EQ(heartbeat.stream, stream_);
  keeper_->OnHeartbeatAnswer(stream_, now_, heartbeat.number, {true});
  EXPECT_EQ(keeper_->state(), SelfState::kAlive);
}

// P1
TEST_F(LeaseKeeperTest, Silence_ASecondOneInARowDetaches) {
  BeHosted(2);
  RunTo(milliseconds(2010));
  const auto second = Opened();
  keeper_->OnHosted(second.stream, now_, kTerms);
  EXPECT_EQ(Take<action::Detach>().stream, stream_);
  Forget();
  RunTo(milliseconds(3010));
  EXPECT_EQ(Count<action::Drop>(), 0U);
  const auto detach = Take<action::Detach>();
  EXPECT_EQ(detach.stream, second.stream);
  EXPECT_TRUE(detach.unresponsive);
  EXPECT_TRUE(Opened().resume);
}

TEST_F(LeaseKeeperTest, Move_ALostAnswerIsFollowedByAnotherResumeAndNotByTheOldStream) {
  BeHosted();
  RunTo(milliseconds(2010));
  const auto second = Opened();
  keeper_->OnStreamEnded(second.stream, now_, Broken());  // it may have taken the session
  EXPECT_EQ(Take<action::Detach>().stream, stream_);
  const auto third = Opened();
  EXPECT_EQ(third.address, 2U);
  keeper_->OnStreamEnded(third.stream, now_, Refusal(Reason::kDatabaseUnavailable));
  const auto first = Opened();
  EXPECT_EQ(first.address, 0U);
  EXPECT_TRUE(first.resume);
  EXPECT_EQ(Count<action::Heartbeat>(), 0U);
}

TEST_F(LeaseKeeperTest, Move_AnUnknownOutcomeIsALostAnswer) {
  BeHosted();
  RunTo(milliseconds(2010));
  keeper_->OnStreamEnded(Opened().stream, now_, Refusal(Reason::kOutcomeUnknown));
  EXPECT_EQ(Take<action::Detach>().stream, stream_);
}

// Another answer of this pod's own was lost: a newer session stands, and the next is newer still.
TEST_F(LeaseKeeperTest, Move_AResumeThatCameLateIsRepeatedAndTheOldStreamIsLeft) {
  BeHosted();
  RunTo(milliseconds(2010));
  keeper_->OnStreamEnded(Opened().stream, now_, Refusal(Reason::kSessionTaken));
  EXPECT_EQ(Take<action::Detach>().stream, stream_);
  const auto next = Opened();
  EXPECT_TRUE(next.resume);
  keeper_->OnHosted(next.stream, now_, kTerms);
  EXPECT_EQ(keeper_->state(), SelfState::kAlive);
}

TEST_F(LeaseKeeperTest, Draining_HoldsOnUntilAnotherCoordinatorAccepted) {
  BeHosted();
  keeper_->OnDraining(stream_, now_);
  const auto open = Opened();
  EXPECT_EQ(open.address, 1U);
  EXPECT_EQ(Count<action::Detach>(), 0U);
  EXPECT_EQ(keeper_->state(), SelfState::kAlive);
  keeper_->OnHosted(open.stream, now_, kTerms);
  EXPECT_EQ(Take<action::Detach>().stream, stream_);
  EXPECT_EQ(keeper_->state(), SelfState::kAlive);
}

TEST_F(LeaseKeeperTest, Draining_GoesOnAskingWhileItHeartbeatsOnTheOldStream) {
  BeHosted(2);
  keeper_->OnDraining(stream_, now_);
  keeper_->OnStreamEnded(Opened().stream, now_, Refusal(Reason::kLimitReached));
  Answer();
  EXPECT_EQ(keeper_->state(), SelfState::kAlive);
  RunTo(milliseconds(200));
  EXPECT_EQ(Opened().address, 1U);
}

// P9: the last heartbeat before it was 890 ms old, and the coordinator that is asked hangs.
TEST_F(LeaseKeeperTest, Draining_TheMoveBeginsWithAWholeLease) {
  BeHosted(2);
  RunTo(milliseconds(900));
  keeper_->OnDraining(stream_, now_);
  ExpectAMoveWithAWholeLease(1, {true});
}

TEST_F(LeaseKeeperTest, Draining_EveryResumeIsPrecededByAHeartbeat) {
  BeHosted();
  RunTo(milliseconds(500));
  keeper_->OnDraining(stream_, now_);
  EXPECT_EQ(Take<action::Heartbeat>().stream, stream_);
  const auto second = Opened();
  RunTo(milliseconds(1400));
  keeper_->OnStreamEnded(second.stream, now_, Refusal(Reason::kLimitReached));
  EXPECT_EQ(Take<action::Heartbeat>().stream, stream_);
  EXPECT_EQ(Opened().address, 2U);
}

TEST_F(LeaseKeeperTest, AnswerWithoutLease_LooksForABetterCoordinator) {
  BeHosted();
  RunTo(milliseconds(1010));
  Answer({.lease_granted = false});
  EXPECT_EQ(Elapsed(*keeper_->lease_until()), milliseconds(3010));
  EXPECT_EQ(Opened().address, 1U);
}

TEST_F(LeaseKeeperTest, AnswerWithoutLease_EveryCoordinatorBlindForAWhileLosesNobody) {
  BeHosted(2);
  RunTo(milliseconds(1010));
  Answer({.lease_granted = false});
  keeper_->OnStreamEnded(Opened().stream, now_, Refusal(Reason::kDatabaseUnavailable));
  Pass(milliseconds(10));
  Answer();  // the database is back
  EXPECT_EQ(Elapsed(*keeper_->lease_until()), milliseconds(4010));
  Forget();
  RunTo(milliseconds(1900));
  EXPECT_EQ(Count<action::Open>(), 0U);
}

// P9
TEST_F(LeaseKeeperTest, Degraded_IsLeftOnlyForOneThatTakesPodsIn) {
  BeHosted();
  RunTo(milliseconds(1010));
  Answer({.lease_granted = true, .link_degraded = true});
  EXPECT_EQ(Count<action::Inquire>(), 2U);
  EXPECT_EQ(Count<action::Open>(), 0U);
  RunTo(milliseconds(1100));
  keeper_->OnWelcome(2, now_);
  const auto open = Opened();
  EXPECT_EQ(open.address, 2U);
  EXPECT_TRUE(open.resume);
  keeper_->OnWelcome(1, now_);  // one is enough
  EXPECT_EQ(Count<action::Open>(), 0U);
  keeper_->OnHosted(open.stream, now_, kTerms);
  EXPECT_EQ(Take<action::Detach>().stream, stream_);
  EXPECT_EQ(keeper_->state(), SelfState::kAlive);
}

// P9: as with Draining_TheMoveBeginsWithAWholeLease.
TEST_F(LeaseKeeperTest, Degraded_TheMoveBeginsWithAWholeLease) {
  BeHosted();
  RunTo(milliseconds(1010));
  Answer({.lease_granted = true, .link_degraded = true});
  RunTo(milliseconds(1900));
  keeper_->OnWelcome(2, now_);
  ExpectAMoveWithAWholeLease(2, {true, true});
}

TEST_F(LeaseKeeperTest, Degraded_AsksTheOthersOnceInALease) {
  BeHosted();
  for (int beat = 1; beat <= 6; ++beat) {
    RunTo(seconds(beat) + milliseconds(10));
    const auto heartbeat = Take<action::Heartbeat>();
    keeper_->OnHeartbeatAnswer(stream_, now_, heartbeat.number, {true, true});
    EXPECT_EQ(Count<action::Inquire>(), beat == 1 || beat == 4 ? 2U : 0U) << beat;
  }
}

TEST_F(LeaseKeeperTest, Degraded_ARefusalLeadsBackToTheHostAtOnce) {
  BeHosted();
  RunTo(milliseconds(1010));
  Answer({.lease_granted = true, .link_degraded = true});
  keeper_->OnWelcome(1, now_);
  keeper_->OnStreamEnded(Opened().stream, now_, Refusal(Reason::kCoordinatorUntrusted));
  EXPECT_EQ(Count<action::Open>(), 0U);
  EXPECT_EQ(Take<action::Heartbeat>().stream, stream_);
  EXPECT_EQ(keeper_->state(), SelfState::kAlive);
}

TEST_F(LeaseKeeperTest, Degraded_AHostThatRecoveredIsNotLeft) {
  BeHosted();
  RunTo(milliseconds(1010));
  Answer({.lease_granted = true, .link_degraded = true});
  RunTo(milliseconds(2010));
  Answer();
  Forget();
  keeper_->OnWelcome(1, now_);
  EXPECT_EQ(Count<action::Open>(), 0U);
}

TEST_F(LeaseKeeperTest, Flapping_AHostThatNeverGrantsIsNotTriedWithoutRest) {
  BeHosted(1);
  Pass(milliseconds(1));
  int attempts = 0;
  const Time end = now_ + seconds(1);
  keeper_->OnStreamEnded(stream_, now_, Broken());
  while (now_ < end) {
    if (Count<action::Open>() > 0) {
      ++attempts;
      const auto open = Opened();
      keeper_->OnHosted(open.stream, now_, kTerms);
      keeper_->OnStreamEnded(open.stream, now_, Broken());
    } else {
      now_ = *keeper_->next_wake();
      keeper_->OnTimer(now_);
    }
  }
  EXPECT_LT(attempts, 10);
}

TEST_F(LeaseKeeperTest, Flapping_TwoHostsThatNeverGrantAreNotTriedWithoutRest) {
  BeHosted(2);
  keeper_->OnStreamEnded(stream_, now_, Broken());
  const int turns = CountTurns<action::Open>(
      seconds(1), [&] { keeper_->OnHosted(Opened().stream, now_, kTerms); });
  EXPECT_LT(turns, 20);
}

TEST_F(LeaseKeeperTest, SeveralAddresses_NoStreamNeedsANewConnection) {
  BeHosted(2);
  keeper_->OnDraining(stream_, now_);
  const auto second = Opened();
  EXPECT_FALSE(second.anew);
  keeper_->OnStreamEnded(second.stream, now_, Refusal(Reason::kDraining));
  Answer();
  RunTo(milliseconds(200));
  EXPECT_FALSE(Opened().anew);
}

}  // namespace
}  // namespace vigil::client
