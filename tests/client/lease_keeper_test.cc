// The rules of a lease, under a simulated clock: what a pod may believe, how it joins and leaves.
#include "client/lease_keeper_fixture.h"

namespace vigil::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_F(LeaseKeeperTest, Lease_CountsFromWhenTheRegistrationWasSent) {  // P7
  BeRegistered();
  EXPECT_EQ(Elapsed(*keeper_->lease_until()), seconds(3));
  EXPECT_EQ(Elapsed(*keeper_->alive_until()), milliseconds(2500));
}

TEST_F(LeaseKeeperTest, Lease_CountsFromWhenTheHeartbeatWasSent) {  // P7
  BeHosted();
  RunTo(milliseconds(1010));
  Pass(milliseconds(300));
  Answer();
  EXPECT_EQ(Elapsed(*keeper_->lease_until()), milliseconds(4010));
}

TEST_F(LeaseKeeperTest, Lease_AnAnswerThatNobodyAskedForGrantsNothing) {
  BeHosted();
  RunTo(milliseconds(1010));
  keeper_->OnHeartbeatAnswer(stream_, now_, 77, {true});
  keeper_->OnHeartbeatAnswer(StreamId(99), now_, 2, {true});
  EXPECT_EQ(Elapsed(*keeper_->lease_until()), milliseconds(3010));
}

TEST_F(LeaseKeeperTest, Heartbeat_AtOnceAndThenEveryThirdOfTheLease) {
  BeRegistered();
  for (int second = 0; second <= 5; ++second) {
    RunTo(milliseconds(10) + seconds(second));
    EXPECT_EQ(Count<action::Heartbeat>(), 1U);
    Answer();
    Forget();
  }
}

// P1: whoever hears that the pod lives may kill it, and finds a session that is confirmed.
TEST_F(LeaseKeeperTest, Heartbeat_TheFirstOneGoesOutBeforeAnythingIsTold) {
  BeHosted();
  keeper_->OnStreamEnded(stream_, now_, Broken());
  const auto open = Opened();
  Forget();
  keeper_->OnHosted(open.stream, now_, kTerms);
  Look();
  ASSERT_EQ(seen_.size(), 2U);
  ASSERT_TRUE(std::holds_alternative<action::Heartbeat>(seen_[0]));
  EXPECT_EQ(std::get<action::Heartbeat>(seen_[0]).stream, open.stream);
  EXPECT_TRUE(std::holds_alternative<action::Announce>(seen_[1]));
}

TEST_F(LeaseKeeperTest, Lost_ByTheLocalDeadlineAlone) {  // P7
  BeHosted(1);
  keeper_->OnStreamEnded(stream_, now_, Broken());
  EXPECT_EQ(keeper_->state(), SelfState::kSuspended);
  RunTo(milliseconds(2509));
  EXPECT_EQ(keeper_->state(), SelfState::kSuspended);
  RunTo(milliseconds(2510));
  EXPECT_EQ(keeper_->state(), SelfState::kLost);
}

TEST_F(LeaseKeeperTest, Lost_IsFinal) {
  BeHosted(1);
  RunTo(milliseconds(1010));
  const auto heartbeat = Take<action::Heartbeat>();
  Pass(seconds(5));  // the process was paused, and the answer is the first thing that it sees
  keeper_->OnHeartbeatAnswer(heartbeat.stream, now_, heartbeat.number, {true});
  EXPECT_EQ(keeper_->state(), SelfState::kLost);
  keeper_->OnHosted(heartbeat.stream, now_, kTerms);
  EXPECT_EQ(keeper_->state(), SelfState::kLost);
  EXPECT_EQ(keeper_->next_wake(), std::nullopt);
}

TEST_F(LeaseKeeperTest, Lost_WhenAReaderSawItFirst) {
  BeHosted();
  EXPECT_TRUE(keeper_->Lose());
  EXPECT_EQ(keeper_->state(), SelfState::kLost);
  EXPECT_FALSE(keeper_->Lose());
}

TEST_F(LeaseKeeperTest, Lost_AtOnceWhenTheIncarnationEnded) {
  BeHosted();
  keeper_->OnStreamEnded(stream_, now_, Broken());
  const auto open = Opened();
  keeper_->OnStreamEnded(open.stream, now_, Ended("STREAM_ENDED"));
  EXPECT_EQ(keeper_->state(), SelfState::kLost);
  EXPECT_EQ(keeper_->why()->reason, Reason::kIncarnationEnded);
}

TEST_F(LeaseKeeperTest, Registration_TriesTheNextAddress) {
  Begin(3);
  const auto first = Opened();
  keeper_->OnStreamEnded(first.stream, now_, Broken());
  const auto second = Opened();
  EXPECT_EQ(second.address, 1U);
  EXPECT_FALSE(second.resume);
}

// The incarnation that it made lives for a lease: the retry must find it.
TEST_F(LeaseKeeperTest, Registration_WithoutAnAnswerIsRepeatedWithinAThirdOfTheLease) {
  const std::pair<Duration, Duration> expected[] = {{Duration::zero(), seconds(1)},
                                                    {seconds(6), seconds(2)},
                                                    {milliseconds(500), milliseconds(300)},
                                                    {seconds(60), seconds(5)}};
  for (const auto& [lease, patience] : expected) {
    now_ = Start();
    Begin(1, lease);
    const auto first = Opened();
    EXPECT_TRUE(first.new_registration);
    RunTo(patience - milliseconds(1));
    EXPECT_EQ(Count<action::Drop>(), 0U);
    RunTo(patience + milliseconds(50));
    EXPECT_EQ(Take<action::Drop>().stream, first.stream);
    EXPECT_FALSE(Opened().new_registration);
  }
}

TEST_F(LeaseKeeperTest, Registration_WhoseIncarnationEndedUnseenBeginsAgainAtOnce) {
  Begin(2);
  keeper_->OnStreamEnded(Opened().stream, now_, Broken());  // it made an incarnation
  const auto retry = Opened();
  EXPECT_FALSE(retry.new_registration);
  Pass(seconds(4));
  keeper_->OnStreamEnded(retry.stream, now_, Ended("STREAM_ENDED"));
  EXPECT_EQ(keeper_->state(), SelfState::kJoining);
  const auto again = Opened();
  EXPECT_TRUE(again.new_registration);
  EXPECT_FALSE(again.resume);
  EXPECT_EQ(again.address, retry.address);
  keeper_->OnHosted(again.stream, now_, kTerms);
  EXPECT_EQ(keeper_->state(), SelfState::kAlive);
}

// To begin again would take the name back from a successor that has it by right.
TEST_F(LeaseKeeperTest, Registration_WhoseIncarnationWasSupersededUnseenIsRefused) {
  Begin(2);
  keeper_->OnStreamEnded(Opened().stream, now_, Broken());
  keeper_->OnStreamEnded(Opened().stream, now_, Ended("SUPERSEDED"));
  EXPECT_EQ(keeper_->state(), SelfState::kRefused);
  EXPECT_EQ(keeper_->why()->reason, Reason::kIncarnationEnded);
}

TEST_F(LeaseKeeperTest, Registration_WhoseIncarnationAlwaysEndsIsNotTriedWithoutRestNorForEver) {
  Begin(1);
  int attempts = 0;
  while (keeper_->state() == SelfState::kJoining && attempts < 1000) {
    if (Count<action::Open>() > 0) {
      ++attempts;
      keeper_->OnStreamEnded(Opened().stream, now_, Ended("STREAM_ENDED"));
    } else {
      now_ = *keeper_->next_wake();
      keeper_->OnTimer(now_);
    }
  }
  EXPECT_EQ(keeper_->state(), SelfState::kRefused);
  EXPECT_EQ(Elapsed(now_), seconds(15));
  EXPECT_LT(attempts, 50);
}

TEST_F(LeaseKeeperTest, Registration_ThatCameLateIsRepeated) {
  Begin(1);
  keeper_->OnStreamEnded(Opened().stream, now_, Refusal(Reason::kSessionTaken));
  EXPECT_EQ(keeper_->state(), SelfState::kJoining);
  RunTo(milliseconds(50));
  EXPECT_FALSE(Opened().resume);
}

TEST_F(LeaseKeeperTest, Registration_IsRefusedAtOnceByWhatNoOtherCoordinatorWouldTakeBack) {
  Begin(3);
  keeper_->OnStreamEnded(Opened().stream, now_,
                         {Code::kAlreadyExists, Reason::kPodNameTaken, "taken", "hint", {}});
  EXPECT_EQ(keeper_->state(), SelfState::kRefused);
  EXPECT_EQ(keeper_->why()->reason, Reason::kPodNameTaken);
}

TEST_F(LeaseKeeperTest, Registration_GivesUpInTime) {
  Begin(1);
  while (keeper_->state() == SelfState::kJoining) {
    if (Count<action::Open>() > 0) {
      keeper_->OnStreamEnded(Opened().stream, now_, Broken());
    } else {
      now_ = *keeper_->next_wake();
      keeper_->OnTimer(now_);
    }
  }
  EXPECT_EQ(keeper_->state(), SelfState::kRefused);
  EXPECT_EQ(keeper_->why()->message, "connection reset");
  EXPECT_EQ(Elapsed(now_), seconds(15));
}

TEST_F(LeaseKeeperTest, Waiting_ACoordinatorThatFallsSilentIsGivenUp) {
  Begin(2);
  const auto open = Opened();
  for (int i = 0; i < 8; ++i) {
    keeper_->OnWaiting(open.stream, now_, Incarnation(6));
    RunTo(Elapsed(now_) + seconds(1));
  }
  EXPECT_EQ(Count<action::AnnounceWaiting>(), 1U);
  EXPECT_EQ(Count<action::Open>(), 0U);
  RunTo(Elapsed(now_) + seconds(5));
  const auto next = Opened();
  EXPECT_NE(next.address, open.address);
  EXPECT_FALSE(next.resume);
  EXPECT_FALSE(next.new_registration);
}

TEST_F(LeaseKeeperTest, Registration_AFirstLeaseThatIsNearlyOverIsNotLost) {  // P9
  for (const Duration until_its_death : {milliseconds(2499), milliseconds(4000)}) {
    Begin(1);
    const auto open = Opened();
    keeper_->OnWaiting(open.stream, now_, Incarnation(6));
    EXPECT_EQ(Take<action::AnnounceWaiting>().incumbent, Incarnation(6));
    Pass(until_its_death);
    const Time hosted = now_;
    keeper_->OnHosted(open.stream, now_, kTerms);
    EXPECT_EQ(keeper_->state(), SelfState::kJoining);
    Pass(milliseconds(5));
    Answer();
    EXPECT_EQ(keeper_->state(), SelfState::kAlive);
    EXPECT_EQ(*keeper_->lease_until(), hosted + kTerms.lease);
  }
}

TEST_F(LeaseKeeperTest, Leave_OnTheStreamThatHostsThePod) {
  BeHosted();
  keeper_->Leave(now_, seconds(5));
  EXPECT_EQ(keeper_->state(), SelfState::kLeft);
  const auto leave = Take<action::Leave>();
  EXPECT_EQ(leave.stream, stream_);
  keeper_->OnLeft(leave.stream, now_);
  EXPECT_EQ(Take<action::LeaveDone>().error, std::nullopt);
  EXPECT_EQ(keeper_->next_wake(), std::nullopt);
}

TEST_F(LeaseKeeperTest, Leave_ResumesElsewhereWhenTheStreamIsBroken) {
  BeHosted();
  keeper_->Leave(now_, seconds(5));
  keeper_->OnStreamEnded(stream_, now_, Broken());
  const auto open = Opened();
  EXPECT_TRUE(open.resume);
  keeper_->OnHosted(open.stream, now_, kTerms);
  EXPECT_EQ(Take<action::Leave>().stream, open.stream);
}

TEST_F(LeaseKeeperTest, Leave_AnIncarnationThatHasLeftHasLeft) {
  BeHosted();
  keeper_->Leave(now_, seconds(5));
  keeper_->OnStreamEnded(stream_, now_, Broken());  // the answer was lost
  keeper_->OnStreamEnded(Opened().stream, now_, Ended("LEFT"));
  EXPECT_EQ(Take<action::LeaveDone>().error, std::nullopt);
}

TEST_F(LeaseKeeperTest, Leave_IsBounded) {
  BeHosted();
  keeper_->Leave(now_, seconds(5));
  RunTo(seconds(6));
  EXPECT_TRUE(Take<action::LeaveDone>().error);
  EXPECT_EQ(keeper_->next_wake(), std::nullopt);
}

// After a pause a farewell may be the first to find that the lease has ended.
TEST_F(LeaseKeeperTest, Leave_AfterTheLeaseHasEndedIsLost) {
  BeHosted();
  now_ = *keeper_->alive_until();
  keeper_->Leave(now_, seconds(5));
  EXPECT_EQ(keeper_->state(), SelfState::kLost);
  Take<action::Leave>();
}

TEST_F(LeaseKeeperTest, Leave_AfterLostIsStillSaid) {
  BeHosted(2);
  keeper_->OnStreamEnded(stream_, now_, Broken());
  RunTo(seconds(3));
  ASSERT_EQ(keeper_->state(), SelfState::kLost);
  Forget();
  keeper_->Leave(now_, seconds(5));
  const auto open = Opened();
  keeper_->OnHosted(open.stream, now_, kTerms);
  EXPECT_EQ(Take<action::Leave>().stream, open.stream);
  EXPECT_EQ(keeper_->state(), SelfState::kLost);
}

}  // namespace
}  // namespace vigil::client
