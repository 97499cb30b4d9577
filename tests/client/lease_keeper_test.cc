// The rules of a lease, under a simulated clock: what a pod may believe, and where it goes when its
// coordinator fails.
#include "lease_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vigil::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr LeaseTerms kTerms{seconds(3), seconds(1), milliseconds(500)};

Error Broken() { return {Code::kUnavailable, Reason::kNone, "connection reset", "hint", {}}; }
Error Refusal(Reason reason) { return {Code::kUnavailable, reason, "refused", "hint", {}}; }
Error Ended(std::string cause) {
  return {Code::kFailedPrecondition,
          Reason::kIncarnationEnded,
          "ended",
          "hint",
          {{"cause", std::move(cause)}}};
}

// A keeper and its world: what it asked for is remembered until it is looked at.
class LeaseKeeperTest : public ::testing::Test {
 protected:
  void Begin(std::size_t addresses) {
    keeper_.emplace(LeaseKeeper::Options{.addresses = addresses, .random = [] { return 0.999; }},
                    now_);
  }

  // Registered at address 0 with the first lease, 10 ms after the beginning.
  void BeHosted(std::size_t addresses = 3) {
    Begin(addresses);
    stream_ = Opened().stream;
    Pass(milliseconds(10));
    keeper_->OnHosted(stream_, now_, kTerms);
    Look();
    ASSERT_EQ(keeper_->state(), SelfState::kAlive);
  }

  void Pass(Duration duration) { now_ += duration; }

  // Lets the time pass with all timers on the way, to `when` after the beginning.
  void RunTo(Duration when) {
    const Time end = Start() + when;
    for (auto wake = keeper_->next_wake(); wake && *wake <= end; wake = keeper_->next_wake()) {
      now_ = std::max(now_, *wake);
      keeper_->OnTimer(now_);
    }
    now_ = end;
  }

  // Moves what the keeper wants into `seen_`.
  void Look() {
    for (Action& each : keeper_->TakeActions()) seen_.push_back(std::move(each));
  }

  // The last action of a kind; it must be there, and is forgotten with all before it.
  template <class Kind>
  Kind Take() {
    Look();
    for (auto it = seen_.rbegin(); it != seen_.rend(); ++it) {
      if (const auto* found = std::get_if<Kind>(&*it)) {
        const Kind taken = *found;
        seen_.erase(seen_.begin(), it.base());
        return taken;
      }
    }
    ADD_FAILURE() << "no such action";
    return Kind{};
  }

  action::Open Opened() { return Take<action::Open>(); }

  template <class Kind>
  std::size_t Count() {
    Look();
    return static_cast<std::size_t>(std::count_if(seen_.begin(), seen_.end(), [](const Action& a) {
      return std::holds_alternative<Kind>(a);
    }));
  }

  void Forget() {
    Look();
    seen_.clear();
  }

  // Answers the last heartbeat now.
  void Answer(bool granted = true) {
    const auto heartbeat = Take<action::Heartbeat>();
    keeper_->OnHeartbeatAnswer(heartbeat.stream, now_, heartbeat.number, granted);
  }

  static Time Start() { return Time(seconds(1000)); }
  Duration Elapsed(Time time) const { return time - Start(); }

  Time now_ = Start();
  std::optional<LeaseKeeper> keeper_;
  StreamId stream_;
  std::vector<Action> seen_;
};

TEST_F(LeaseKeeperTest, Lease_CountsFromWhenTheRegistrationWasSent) {  // P7
  BeHosted();
  EXPECT_EQ(Elapsed(*keeper_->lease_until()), seconds(3));
  EXPECT_EQ(Elapsed(*keeper_->alive_until()), milliseconds(2500));
}

TEST_F(LeaseKeeperTest, Lease_CountsFromWhenTheHeartbeatWasSent) {  // P7
  BeHosted();
  RunTo(seconds(1));
  Pass(milliseconds(300));
  Answer();
  EXPECT_EQ(Elapsed(*keeper_->lease_until()), seconds(4));
}

TEST_F(LeaseKeeperTest, Lease_AnAnswerThatNobodyAskedForGrantsNothing) {
  BeHosted();
  RunTo(seconds(1));
  keeper_->OnHeartbeatAnswer(stream_, now_, 77, true);
  keeper_->OnHeartbeatAnswer(StreamId(99), now_, 1, true);
  EXPECT_EQ(Elapsed(*keeper_->lease_until()), seconds(3));
}

TEST_F(LeaseKeeperTest, Heartbeat_EveryThirdOfTheLease) {
  BeHosted();
  for (int second = 1; second <= 5; ++second) {
    RunTo(seconds(second));
    EXPECT_EQ(Count<action::Heartbeat>(), 1U);
    Answer();
    Forget();
  }
}

TEST_F(LeaseKeeperTest, Lost_ByTheLocalDeadlineAlone) {  // P7
  BeHosted(1);
  keeper_->OnStreamEnded(stream_, now_, Broken());
  EXPECT_EQ(keeper_->state(), SelfState::kSuspended);
  RunTo(milliseconds(2499));
  EXPECT_EQ(keeper_->state(), SelfState::kSuspended);
  RunTo(milliseconds(2500));
  EXPECT_EQ(keeper_->state(), SelfState::kLost);
}

TEST_F(LeaseKeeperTest, Lost_IsFinal) {
  BeHosted(1);
  RunTo(seconds(1));
  const auto heartbeat = Take<action::Heartbeat>();
  Pass(seconds(5));  // the process was paused, and the answer is the first thing that it sees
  keeper_->OnHeartbeatAnswer(heartbeat.stream, now_, heartbeat.number, true);
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
  RunTo(milliseconds(1999));
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
  keeper_->OnHeartbeatAnswer(stream_, now_, 1, true);
  EXPECT_EQ(Elapsed(*keeper_->lease_until()), seconds(4));
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
  EXPECT_EQ(Take<action::Heartbeat>().stream, stream_);
  keeper_->OnHeartbeatAnswer(stream_, now_, 2, true);
  EXPECT_EQ(keeper_->state(), SelfState::kAlive);
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

TEST_F(LeaseKeeperTest, AnswerWithoutLease_LooksForABetterCoordinator) {
  BeHosted();
  RunTo(seconds(1));
  Answer(false);
  EXPECT_EQ(Elapsed(*keeper_->lease_until()), seconds(3));
  EXPECT_EQ(Opened().address, 1U);
}

TEST_F(LeaseKeeperTest, AnswerWithoutLease_EveryCoordinatorBlindForAWhileLosesNobody) {
  BeHosted(2);
  RunTo(seconds(1));
  Answer(false);
  keeper_->OnStreamEnded(Opened().stream, now_, Refusal(Reason::kDatabaseUnavailable));
  Pass(milliseconds(10));
  Answer(true);  // the database is back
  EXPECT_EQ(Elapsed(*keeper_->lease_until()), seconds(4));
  Forget();
  RunTo(milliseconds(1900));
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

TEST_F(LeaseKeeperTest, OneAddress_SilenceOpensANewConnectionToIt) {
  BeHosted(1);
  RunTo(milliseconds(2010));
  EXPECT_TRUE(Take<action::Drop>().unresponsive);
  const auto open = Opened();
  EXPECT_EQ(open.address, 0U);
  EXPECT_TRUE(open.resume);
}

TEST_F(LeaseKeeperTest, Registration_TriesTheNextAddress) {
  Begin(3);
  const auto first = Opened();
  keeper_->OnStreamEnded(first.stream, now_, Broken());
  const auto second = Opened();
  EXPECT_EQ(second.address, 1U);
  EXPECT_FALSE(second.resume);
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

TEST_F(LeaseKeeperTest, Registration_AFirstLeaseThatIsOverAlreadyIsNotLost) {
  Begin(1);
  const auto open = Opened();
  keeper_->OnWaiting(open.stream, now_, Incarnation(6));
  EXPECT_EQ(Take<action::AnnounceWaiting>().incumbent, Incarnation(6));
  Pass(seconds(4));  // the incumbent was declared dead
  keeper_->OnHosted(open.stream, now_, kTerms);
  EXPECT_EQ(keeper_->state(), SelfState::kJoining);
  Pass(milliseconds(5));
  Answer();
  EXPECT_EQ(keeper_->state(), SelfState::kAlive);
  EXPECT_EQ(Elapsed(*keeper_->lease_until()), seconds(7));
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
