// One item that runs somewhere, always: started, stood by for, and taken at the very event.
#include "client/runner_rules_fixture.h"

namespace vigil::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using namespace work_action;

class RunnerStandByTest : public RunnerRulesTest {
 protected:
  // Another pod has the item, which is known by now.
  void StandBy() {
    BeReady(1, false);
    rules_->OnStandBy(now_, {.key = "k", .payload = "seven"});
    const auto start = Take<Start>();
    EXPECT_EQ(start.order.payload, "seven");
    rules_->OnStarted(now_, start.query, Started{StartOutcome::kOwned, ItemOf(kOther, "k", 4)});
    EXPECT_EQ(Take<TellStandingBy>().item.owner, kOther);
  }
};

TEST_F(RunnerStandByTest, StandBy_RunsWhatItStarts) {
  BeReady(1, false);
  rules_->OnStandBy(now_, {.key = "k"});
  rules_->OnStarted(now_, Take<Start>().query, Started{StartOutcome::kStarted, Mine("k")});
  Begun("k");
  EXPECT_FALSE(begun_.claimed);
}

TEST_F(RunnerStandByTest, StandBy_ClaimsAtTheDeathOfTheOwner) {
  StandBy();
  Tell(PodNews(EventKind::kPodDied, kOther));
  const auto claim = Take<work_action::Claim>();
  EXPECT_EQ(claim.expected_owner, kOther);
  EXPECT_EQ(claim.expected_fence, Fence(4));
  rules_->OnClaimed(now_, claim.query, Claimed{ClaimOutcome::kClaimed, Mine("k", 5)});
  Begun("k");
  const Ownership owned = begun_;
  EXPECT_TRUE(owned.claimed);
  EXPECT_EQ(owned.previous_owner, kOther);
  EXPECT_EQ(owned.event, EventKind::kPodDied);
}

// A poll that hangs at a dead coordinator must not hold up a claim.
TEST_F(RunnerStandByTest, StandBy_APollThatHangsDoesNotHoldUpTheClaim) {
  StandBy();
  RunFor(seconds(10));
  Take<Start>();
  Tell(PodNews(EventKind::kPodDied, kOther));
  Take<work_action::Claim>();
}

TEST_F(RunnerStandByTest, StandBy_ALostRaceIsFollowedToTheNextOwner) {
  StandBy();
  Tell(PodNews(EventKind::kPodDied, kOther));
  rules_->OnClaimed(now_, Take<work_action::Claim>().query,
                    Claimed{ClaimOutcome::kLost, ItemOf(Incarnation(9), "k", 5)});
  EXPECT_EQ(Take<TellStandingBy>().item.owner, Incarnation(9));
  Tell(PodNews(EventKind::kPodLeft, Incarnation(9)));
  EXPECT_EQ(Take<work_action::Claim>().expected_fence, Fence(5));
}

TEST_F(RunnerStandByTest, StandBy_WhatIsReservedForOthersIsLookedAtAgainLater) {
  StandBy();
  Tell(PodNews(EventKind::kPodDied, kOther));
  WorkItem orphan = ItemOf(kOther, "k", 4);
  orphan.orphan = true;
  rules_->OnClaimed(now_, Take<work_action::Claim>().query,
                    Claimed{ClaimOutcome::kReserved, orphan});
  RunFor(seconds(1));
  EXPECT_EQ(Count<work_action::Claim>() + Count<Start>(), 0U);
  RunFor(seconds(10));
  rules_->OnStarted(now_, Take<Start>().query, Started{StartOutcome::kOrphaned, orphan});
  Take<work_action::Claim>();
}

TEST_F(RunnerStandByTest, StandBy_WhatIsQuarantinedIsSaidOnce) {
  StandBy();
  Tell(PodNews(EventKind::kPodDied, kOther));
  WorkItem poison = ItemOf(Incarnation(), "k", 5);
  poison.state = WorkState::kQuarantined;
  rules_->OnClaimed(now_, Take<work_action::Claim>().query,
                    Claimed{ClaimOutcome::kQuarantined, poison});
  Take<TellTrouble>();
  RunFor(seconds(10));
  rules_->OnStarted(now_, Take<Start>().query, Started{StartOutcome::kQuarantined, poison});
  EXPECT_EQ(Count<work_action::Claim>() + Count<TellTrouble>(), 0U);
}

TEST_F(RunnerStandByTest, StandBy_ALookThatIsAskedForDuringALookIsNotLost) {
  Begin(1, false);
  rules_->OnRegistered(now_, kSelf, {});
  rules_->OnStandBy(now_, {.key = "k"});
  const auto first = Take<Start>();
  rules_->OnFollowing(now_);  // what happened before is not told by events
  EXPECT_EQ(Count<Start>(), 0U);
  rules_->OnStarted(now_, first.query, Started{StartOutcome::kOwned, ItemOf(kOther, "k", 4)});
  Take<Start>();
}

TEST_F(RunnerStandByTest, StandBy_IsOverWhenOthersHaveCompletedTheItem) {
  StandBy();
  Tell(WorkNews(EventKind::kWorkCompleted, kOther, "k", 4));
  Take<TellCompletedElsewhere>();
  RunFor(seconds(60));
  EXPECT_EQ(Count<Start>(), 0U);
}

TEST_F(RunnerStandByTest, StandBy_IsOverWhenItWasHadOnce) {
  StandBy();
  Tell(PodNews(EventKind::kPodDied, kOther));
  rules_->OnClaimed(now_, Take<work_action::Claim>().query,
                    Claimed{ClaimOutcome::kClaimed, Mine("k", 5)});
  const TaskId task = Begun("k");
  rules_->OnReturned(now_, task, GivenBack{});
  rules_->OnFinished(now_, task, {});
  Tell(WorkNews(EventKind::kWorkReleased, kSelf, "k", 5));
  RunFor(seconds(60));
  EXPECT_EQ(Count<Start>() + Count<work_action::Claim>(), 0U);
}

TEST_F(RunnerStandByTest, StandBy_StartsNoMoreThanThereIsRoomForAndAFewAtATime) {
  for (const std::uint32_t room : {1U, 3U, 1000U}) {
    BeReady(room, false);
    for (int i = 0; i < 100; ++i) rules_->OnStandBy(now_, {.key = "k" + std::to_string(i)});
    RunFor(seconds(1));
    const auto starts = TakeAll<Start>();
    EXPECT_EQ(starts.size(), std::min(room, RunnerRules::kMostStarts));
    rules_->OnStarted(now_, starts[0].query,
                      Started{StartOutcome::kOwned, ItemOf(kOther, starts[0].order.key, 1)});
    EXPECT_EQ(TakeAll<Start>().size(), 1U) << "the next one";
  }
}

// Both may be had, and one could only be held.
TEST_F(RunnerStandByTest, StandBy_AStartTakesTheRoomThatNothingElseIsThenClaimedFor) {
  for (const bool starts : {true, false}) {
    BeReady(1);
    rules_->OnStandBy(now_, {.key = "k"});
    const auto start = Take<Start>();
    Tell(PodNews(EventKind::kPodDied, kOther));
    Tell(WorkNews(EventKind::kWorkClaimed, kSelf, "assigned", 2));
    RunFor(seconds(5));
    EXPECT_EQ(Count<ClaimOrphans>() + Count<Fetch>(), 0U);
    rules_->OnStarted(now_, start.query,
                      starts ? Started{StartOutcome::kStarted, Mine("k")}
                             : Started{StartOutcome::kOwned, ItemOf(Incarnation(9), "k", 4)});
    RunFor(seconds(5));
    EXPECT_EQ(Count<work_action::Run>(), starts ? 1U : 0U);
    EXPECT_EQ(Count<Fetch>(), starts ? 0U : 1U);
  }
}

TEST_F(RunnerStandByTest, StandBy_AStartTakesTheRoomThatAnotherKeyIsThenNotClaimedFor) {
  BeReady(1, false);
  rules_->OnStandBy(now_, {.key = "a"});
  rules_->OnStandBy(now_, {.key = "b"});
  const auto start = Take<Start>();
  EXPECT_EQ(start.order.key, "a");
  Tell(WorkNews(EventKind::kWorkReleased, kOther, "b", 2));
  EXPECT_EQ(Count<work_action::Claim>(), 0U);
  rules_->OnStarted(now_, start.query, Started{StartOutcome::kOwned, ItemOf(kOther, "a", 4)});
  EXPECT_EQ(Take<Start>().order.key, "b");
}

TEST_F(RunnerStandByTest, StandBy_APollThatHangsDoesNotHoldUpWhatOthersHaveLeft) {
  for (const auto outcome : {StartOutcome::kOwned, StartOutcome::kQuarantined}) {
    BeReady(1);
    rules_->OnStandBy(now_, {.key = "k"});
    WorkItem item = ItemOf(kOther, "k", 4);
    if (outcome == StartOutcome::kQuarantined) {
      item = ItemOf(Incarnation(), "k", 4);
      item.state = WorkState::kQuarantined;
    }
    rules_->OnStarted(now_, Take<Start>().query, Started{outcome, item});
    rules_->OnFollowing(now_);
    Take<Start>();  // and the call hangs
    RunFor(seconds(1));
    EXPECT_EQ(Count<ClaimOrphans>(), 1U);
  }
}

TEST_F(RunnerStandByTest, StandBy_EachOfManyHasItsTurnThoughAnswersAreSlow) {
  constexpr std::size_t kKeys = 2500;
  BeReady(1, false);
  for (std::size_t i = 0; i < kKeys; ++i) {
    rules_->OnStandBy(now_, {.key = "k" + std::to_string(i)});
  }
  std::map<std::string, int> asked;
  for (std::size_t i = 0; i < kKeys; ++i) {
    const auto start = Take<Start>();
    ++asked[start.order.key];
    now_ += milliseconds(5);  // more in all than until the first is due again
    rules_->OnStarted(now_, start.query,
                      Started{StartOutcome::kOwned, ItemOf(kOther, start.order.key, 1)});
  }
  EXPECT_EQ(asked.size(), kKeys);
}

TEST_F(RunnerStandByTest, StandBy_WhatBecameClaimableComesBeforeWhatIsOnlyPolled) {
  StandBy();
  const TaskId busy = RunsSubmitted(Mine("busy"));
  for (const char* key : {"a", "b", "c"}) rules_->OnStandBy(now_, {.key = key});
  RunFor(seconds(20));
  Tell(PodNews(EventKind::kPodDied, kOther));
  rules_->OnReturned(now_, busy, Done{});
  rules_->OnFinished(now_, busy, {});
  EXPECT_EQ(Take<Start>().order.key, "k");
}

// Somebody else may have room for it.
TEST_F(RunnerStandByTest, StandBy_ClaimsNothingWithoutRoomAndAsSoonAsThereIsSome) {
  StandBy();
  const TaskId busy = RunsSubmitted(Mine("busy"));
  Tell(PodNews(EventKind::kPodDied, kOther));
  RunFor(seconds(30));
  EXPECT_EQ(Count<work_action::Claim>() + Count<Start>(), 0U);
  rules_->OnReturned(now_, busy, Done{});
  rules_->OnFinished(now_, busy, {});
  WorkItem orphan = ItemOf(kOther, "k", 4);
  orphan.orphan = true;
  rules_->OnStarted(now_, Take<Start>().query, Started{StartOutcome::kOrphaned, orphan});
  Take<work_action::Claim>();
}

TEST_F(RunnerStandByTest, StandBy_ForTooManyIsRefused) {
  Begin(1, false);
  for (std::size_t i = 0; i <= RunnerRules::kMostWaiting; ++i) {
    rules_->OnStandBy(now_, {.key = std::to_string(i)});
  }
  EXPECT_EQ(Take<TellTrouble>().why.code, Code::kResourceExhausted);
}

TEST_F(RunnerStandByTest, StandBy_TroubleIsToldAndTriedAgain) {
  BeReady(1, false);
  rules_->OnStandBy(now_, {.key = "k"});
  for (int i = 0; i < 3; ++i) {
    rules_->OnStarted(now_, Take<Start>().query, tl::unexpected(Unreachable()));
    Take<TellTrouble>();
    RunFor(seconds(1));
  }
  Take<Start>();
}

}  // namespace
}  // namespace vigil::client
