// What a runner runs, what it writes, and what it does not.
#include "client/runner_rules_fixture.h"

namespace vigil::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using namespace work_action;

// --- Coming by items ---

TEST_F(RunnerRulesTest, Sweep_BeginsAtTheRegistrationWithOne) {
  Begin(8);
  rules_->OnRegistered(now_, kSelf, {});
  RunFor(ClaimRamp::kSpread);
  EXPECT_EQ(Take<ClaimOrphans>().limit, 1U);
}

TEST_F(RunnerRulesTest, Sweep_ADeathAReleaseAndAQuarantineWakeIt) {
  BeReady(8);
  const std::vector<Event> wakers = {PodNews(EventKind::kPodDied, kOther),
                                     PodNews(EventKind::kPodLeft, kOther),
                                     WorkNews(EventKind::kWorkReleased, kOther, "k", 1),
                                     WorkNews(EventKind::kWorkQuarantined, kOther, "k", 1)};
  for (const Event& event : wakers) {
    Tell(event);
    RunFor(ClaimRamp::kSpread);
    rules_->OnClaimedOrphans(now_, Take<ClaimOrphans>().query, std::vector<WorkItem>{});
    RunFor(ClaimRamp::kLongestRest);
  }
}

TEST_F(RunnerRulesTest, Sweep_AnEndThatLeavesNothingDoesNotWakeIt) {
  BeReady(8);
  Tell(PodNews(EventKind::kPodLeft, kOther, 0));
  RunFor(seconds(1));
  EXPECT_EQ(Count<ClaimOrphans>(), 0U);
}

// What waited for its name, no event tells.
TEST_F(RunnerRulesTest, Sweep_ComesByItselfSlowly) {
  BeReady(8);
  RunFor(seconds(10));
  EXPECT_EQ(Count<ClaimOrphans>(), 1U);
  EXPECT_EQ(Count<ListOwn>(), 1U);
}

TEST_F(RunnerRulesTest, Sweep_TakesNoMoreThanThereIsRoomFor) {
  BeReady(3);
  const TaskId first = RunsSubmitted(Mine("a"));
  Tell(PodNews(EventKind::kPodDied, kOther));
  RunFor(ClaimRamp::kSpread);
  rules_->OnClaimedOrphans(now_, Take<ClaimOrphans>().query, std::vector{Mine("b", 2)});
  RunFor(ClaimRamp::kSpread);
  const auto claim = Take<ClaimOrphans>();
  EXPECT_EQ(claim.limit, 1U);
  rules_->OnClaimedOrphans(now_, claim.query, std::vector{Mine("c", 2)});
  RunFor(seconds(60));
  EXPECT_EQ(Count<ClaimOrphans>(), 0U) << "there is no room";
  EXPECT_EQ(Count<work_action::Run>(), 2U);
  rules_->OnReturned(now_, first, Done{});
  rules_->OnFinished(now_, first, {});
  RunFor(ClaimRamp::kSpread);
  EXPECT_EQ(Take<ClaimOrphans>().limit, 1U);
}

TEST_F(RunnerRulesTest, Sweep_AfterALostAnswerItAsksWhatItOwns) {
  BeReady(4);
  Tell(PodNews(EventKind::kPodDied, kOther));
  RunFor(ClaimRamp::kSpread);
  rules_->OnClaimedOrphans(now_, Take<ClaimOrphans>().query, tl::unexpected(Unreachable()));
  RunFor(seconds(1));
  rules_->OnListed(now_, Take<ListOwn>().query, OwnPage{{{"k", Fence(2)}}});
  rules_->OnFetched(now_, Take<Fetch>().query, Mine("k", 2));
  Begun("k");
}

TEST_F(RunnerRulesTest, Assigned_WhatAnEventSaysIsOursIsFetchedAndRun) {
  BeReady(2);
  Tell(WorkNews(EventKind::kWorkClaimed, kSelf, "k", 5));
  const auto fetch = Take<Fetch>();
  EXPECT_EQ(fetch.key, "k");
  EXPECT_EQ(Count<work_action::Run>(), 0U);
  rules_->OnFetched(now_, fetch.query, Mine("k", 5));
  Begun("k");
}

TEST_F(RunnerRulesTest, Assigned_WhatIsSomebodyElsesByNowIsNotRun) {
  BeReady(2);
  Tell(WorkNews(EventKind::kWorkClaimed, kSelf, "k", 5));
  rules_->OnFetched(now_, Take<Fetch>().query, ItemOf(kOther, "k", 6));
  EXPECT_EQ(Count<work_action::Run>(), 0U);
}

TEST_F(RunnerRulesTest, Assigned_MoreThanThereIsRoomForWaits) {
  BeReady(1);
  const TaskId first = RunsSubmitted(Mine("a"));
  Tell(WorkNews(EventKind::kWorkClaimed, kSelf, "b", 1));
  RunFor(seconds(60));
  EXPECT_EQ(Count<Fetch>(), 0U);
  rules_->OnReturned(now_, first, Done{});
  rules_->OnFinished(now_, first, {});
  rules_->OnFetched(now_, Take<Fetch>().query, Mine("b"));
  Begun("b");
}

TEST_F(RunnerRulesTest, Assigned_NothingToARunnerThatTakesNothingOver) {
  BeReady(2, false);
  Tell(WorkNews(EventKind::kWorkClaimed, kSelf, "k", 5));
  Tell(PodNews(EventKind::kPodDied, kOther));
  RunFor(seconds(60));
  EXPECT_EQ(Count<Fetch>() + Count<ClaimOrphans>() + Count<ListOwn>(), 0U);
}

TEST_F(RunnerRulesTest, Predecessors_TheirWorkIsClaimedFromThem) {
  Begin(2);
  unwanted_["other-kind"] = true;
  rules_->OnRegistered(now_, kSelf,
                       {ItemOf(Incarnation(5), "k", 4), ItemOf(Incarnation(5), "other-kind", 1)});
  const auto claim = Take<work_action::Claim>();
  EXPECT_EQ(claim.key, "k");
  EXPECT_EQ(claim.expected_owner, Incarnation(5));
  EXPECT_EQ(claim.expected_fence, Fence(4));
  rules_->OnClaimed(now_, claim.query, Claimed{ClaimOutcome::kClaimed, Mine("k", 5)});
  Begun("k");
}

TEST_F(RunnerRulesTest, Predecessors_WhatOthersHaveByNowIsLeftAlone) {
  Begin(2);
  rules_->OnRegistered(now_, kSelf, {ItemOf(Incarnation(5), "k", 4)});
  rules_->OnClaimed(now_, Take<work_action::Claim>().query,
                    Claimed{ClaimOutcome::kLost, ItemOf(kOther, "k", 5)});
  EXPECT_EQ(Count<work_action::Run>(), 0U);
}

// --- Each run once ---

TEST_F(RunnerRulesTest, Once_TheEventOfAnOwnClaimRunsNothingAgain) {
  BeReady(4);
  Tell(PodNews(EventKind::kPodDied, kOther));
  RunFor(ClaimRamp::kSpread);
  const auto claim = Take<ClaimOrphans>();
  Tell(WorkNews(EventKind::kWorkClaimed, kSelf, "k", 2));  // before the answer
  EXPECT_EQ(Count<Fetch>(), 0U) << "the answer is about to tell";
  rules_->OnClaimedOrphans(now_, claim.query, std::vector{Mine("k", 2)});
  Tell(WorkNews(EventKind::kWorkClaimed, kSelf, "k", 2));  // and after it
  RunFor(seconds(2));
  EXPECT_EQ(Count<work_action::Run>(), 1U);
  EXPECT_EQ(Count<Fetch>(), 0U);
}

TEST_F(RunnerRulesTest, Once_TwoAnswersOfOneOwnershipRunItOnce) {
  BeReady(4);
  const auto submission = rules_->BeginSubmit("k");
  Tell(WorkNews(EventKind::kWorkClaimed, kSelf, "k", 2));
  RunFor(seconds(1));
  const auto fetch = Take<Fetch>();
  rules_->OnStarted(now_, *submission, Started{StartOutcome::kStarted, Mine("k", 2)});
  Begun("k");
  rules_->OnFetched(now_, fetch.query, Mine("k", 2));
  EXPECT_EQ(Count<work_action::Run>(), 0U);
}

TEST_F(RunnerRulesTest, Once_AnAnswerThatIsOlderThanTheRunRunsNothing) {
  BeReady(4);
  Tell(PodNews(EventKind::kPodDied, kOther));
  RunFor(ClaimRamp::kSpread);
  const auto claim = Take<ClaimOrphans>();  // its answer takes long
  Tell(WorkNews(EventKind::kWorkClaimed, kSelf, "k", 2));
  RunFor(seconds(2));
  rules_->OnFetched(now_, Take<Fetch>().query, Mine("k", 2));
  const TaskId task = Begun("k");
  rules_->OnReturned(now_, task, Done{});
  rules_->OnFinished(now_, task, {});
  rules_->OnClaimedOrphans(now_, claim.query, std::vector{Mine("k", 2)});
  RunFor(seconds(2));
  EXPECT_EQ(Count<work_action::Run>(), 0U);
}

TEST_F(RunnerRulesTest, Once_AListThatIsOlderThanTheEndLeadsToAQuestionOnly) {
  BeReady(4);
  const TaskId task = RunsSubmitted(Mine("k"));
  RunFor(seconds(10));
  const auto list = Take<ListOwn>();
  rules_->OnReturned(now_, task, Done{});
  rules_->OnFinished(now_, task, {});
  rules_->OnListed(now_, list.query, OwnPage{{{"k", Fence(1)}}});
  WorkItem completed = Mine("k");
  completed.state = WorkState::kCompleted;
  rules_->OnFetched(now_, Take<Fetch>().query, completed);
  EXPECT_EQ(Count<work_action::Run>(), 0U);
}

TEST_F(RunnerRulesTest, Once_WhatWasKeptIsNotRunAgain) {
  BeReady(4);
  const TaskId task = RunsSubmitted(Mine("k"));
  rules_->OnReturned(now_, task, Kept{});
  EXPECT_EQ(Take<TellEnded>().end, TaskEnd::kKept);
  RunFor(seconds(10));
  rules_->OnListed(now_, Take<ListOwn>().query, OwnPage{{{"k", Fence(1)}}});
  RunFor(seconds(10));
  EXPECT_EQ(Count<Fetch>(), 0U);
}

// What could not be remembered would be found in a list, and be run again and again.
TEST_F(RunnerRulesTest, Kept_SoManyAndNothingMoreBegins) {
  BeReady(1);
  for (std::size_t i = 0; i < RunnerRules::kMostWaiting; ++i) {
    EXPECT_EQ(Count<TellTrouble>(), 0U);
    const TaskId task = RunsSubmitted(Mine("k" + std::to_string(i)));
    if (task == TaskId()) return;
    rules_->OnReturned(now_, task, Kept{});
    TakeAll<Forget>();
    TakeAll<TellEnded>();
  }
  EXPECT_EQ(Take<TellTrouble>().why.code, Code::kResourceExhausted);
  EXPECT_FALSE(rules_->BeginSubmit("one more"));
  rules_->OnStandBy(now_, {.key = "wanted"});
  Tell(PodNews(EventKind::kPodDied, kOther));
  Tell(WorkNews(EventKind::kWorkClaimed, kSelf, "assigned", 1));
  RunFor(seconds(60));
  EXPECT_EQ(Count<ClaimOrphans>() + Count<Start>() + Count<Fetch>(), 0U);
}

TEST_F(RunnerRulesTest, Kept_NoMoreRunThanCanBeRemembered) {
  BeReady(2);
  for (std::size_t i = 0; i + 1 < RunnerRules::kMostWaiting; ++i) {
    const TaskId task = RunsSubmitted(Mine("k" + std::to_string(i)));
    if (task == TaskId()) return;
    rules_->OnReturned(now_, task, Kept{});
    TakeAll<Forget>();
    TakeAll<TellEnded>();
  }
  const TaskId last = RunsSubmitted(Mine("last"));
  rules_->OnStarted(now_, *rules_->BeginSubmit("waits"),
                    Started{StartOutcome::kStarted, Mine("waits")});
  EXPECT_EQ(Count<work_action::Run>() + Count<Fetch>(), 0U);
  rules_->OnReturned(now_, last, Done{});
  rules_->OnFinished(now_, last, {});
  rules_->OnFetched(now_, Take<Fetch>().query, Mine("waits"));
  Begun("waits");
}

TEST_F(RunnerRulesTest, Lost_SoManyAreForgottenAndLeadToAQuestionOnly) {
  BeReady(1);
  for (std::size_t i = 0; i <= RunnerRules::kMostWaiting; ++i) {
    const TaskId task = RunsSubmitted(Mine("k" + std::to_string(i)));
    if (task == TaskId()) return;
    rules_->OnReturned(now_, task, Done{});
    rules_->OnFinished(now_, task, Refused(Reason::kFenced));
    TakeAll<Finish>();
    TakeAll<Forget>();
    TakeAll<TellEnded>();
  }
  Tell(WorkNews(EventKind::kWorkClaimed, kSelf, "k0", 1));
  rules_->OnFetched(now_, Take<Fetch>().query, ItemOf(kOther, "k0", 2));
  EXPECT_EQ(Count<work_action::Run>() + Count<TellTrouble>(), 0U);
  RunsSubmitted(Mine("one more"));
}

// --- What is lost ---

TEST_F(RunnerRulesTest, Lost_ThePodsTokensFireAndNothingIsWritten) {  // P7
  BeReady(4);
  const TaskId first = RunsSubmitted(Mine("a"));
  const TaskId second = RunsSubmitted(Mine("b"));
  rules_->OnLost(now_);
  const auto fired = TakeAll<Fire>();
  ASSERT_EQ(fired.size(), 2U);
  EXPECT_TRUE(fired[0].lost && fired[1].lost);
  rules_->OnReturned(now_, first, Done{"late"});
  EXPECT_EQ(Count<Leave>(), 0U) << "a function still runs";
  rules_->OnReturned(now_, second, GivenBack{});
  EXPECT_EQ(Count<Finish>(), 0U);
  EXPECT_EQ(Count<Forget>(), 2U);
  Take<Leave>();
  rules_->OnLeft(now_);
  Take<Over>();
}

// Its own coordinator may hear of it later than the successor that superseded it has the item.
TEST_F(RunnerRulesTest, Lost_TheEventOfItsOwnEndSaysSo) {
  BeReady(4);
  const TaskId task = RunsSubmitted(Mine("k"));
  Tell(PodNews(EventKind::kPodDied, kSelf));
  EXPECT_TRUE(Take<Fire>().lost);
  EXPECT_TRUE(rules_->lost());
  rules_->OnReturned(now_, task, Done{});
  EXPECT_EQ(Count<Finish>(), 0U);
  Take<Leave>();
}

TEST_F(RunnerRulesTest, Lost_NothingNewBegins) {
  BeReady(4);
  Tell(PodNews(EventKind::kPodDied, kOther));
  RunFor(ClaimRamp::kSpread);
  const auto claim = Take<ClaimOrphans>();
  rules_->OnLost(now_);
  rules_->OnClaimedOrphans(now_, claim.query, std::vector{Mine("k", 2)});
  Tell(WorkNews(EventKind::kWorkClaimed, kSelf, "l", 5));
  RunFor(seconds(60));
  EXPECT_EQ(Count<work_action::Run>() + Count<Fetch>() + Count<ClaimOrphans>(), 0U);
  EXPECT_FALSE(rules_->BeginSubmit("b"));
}

TEST_F(RunnerRulesTest, Lost_WhatHasReturnedAndIsNotWrittenYetIsDropped) {
  BeReady(4);
  const TaskId task = RunsSubmitted(Mine("k"));
  rules_->OnReturned(now_, task, Done{});
  rules_->OnFinished(now_, task, Unreachable());
  TakeAll<Finish>();
  rules_->OnLost(now_);
  RunFor(seconds(60));
  EXPECT_EQ(Count<Finish>(), 0U);
  EXPECT_EQ(Take<TellEnded>().end, TaskEnd::kLost);
}

TEST_F(RunnerRulesTest, Lost_AFunctionThatDoesNotReturnIsReported) {
  BeReady(4);
  RunsSubmitted(Mine("k"));
  rules_->OnLost(now_);
  RunFor(RunnerRules::kLostPatience);
  EXPECT_EQ(Take<ReportUnreturned>().keys, std::vector<std::string>{"k"});
  EXPECT_EQ(Count<Leave>(), 0U);
}

TEST_F(RunnerRulesTest, Fenced_TheTokenFiresAtOnceAndNothingIsWritten) {  // P5
  BeReady(4);
  const TaskId task = RunsSubmitted(Mine("k"));
  rules_->OnFenced(now_, task);
  EXPECT_TRUE(Take<Fire>().lost);
  rules_->OnReturned(now_, task, Done{});
  EXPECT_EQ(Count<Finish>(), 0U);
  EXPECT_EQ(Take<TellEnded>().end, TaskEnd::kLost);
  RunFor(seconds(10));  // an old list
  rules_->OnListed(now_, Take<ListOwn>().query, OwnPage{{{"k", Fence(1)}}});
  EXPECT_EQ(Count<Fetch>(), 0U);
}

TEST_F(RunnerRulesTest, Fenced_TheNewsThatSomebodyElseHasItOrNobodyFiresTheToken) {
  const std::vector<Event> news = {WorkNews(EventKind::kWorkClaimed, kOther, "k", 2),
                                   WorkNews(EventKind::kWorkReleased, kSelf, "k", 1),
                                   WorkNews(EventKind::kWorkQuarantined, kSelf, "k", 1)};
  for (const Event& event : news) {
    BeReady(4);
    RunsSubmitted(Mine("k"));
    Tell(event);
    EXPECT_TRUE(Take<Fire>().lost);
  }
}

TEST_F(RunnerRulesTest, Fenced_OldNewsAndNewsOfOthersFireNothing) {
  BeReady(4);
  RunsSubmitted(Mine("k", 3));
  Tell(WorkNews(EventKind::kWorkClaimed, kOther, "k", 2));
  Tell(WorkNews(EventKind::kWorkReleased, kOther, "k", 2));
  Tell(WorkNews(EventKind::kWorkClaimed, kSelf, "k", 3));
  Tell(WorkNews(EventKind::kWorkClaimed, kOther, "l", 9));
  EXPECT_EQ(Count<Fire>(), 0U);
}

TEST_F(RunnerRulesTest, Fenced_AFunctionThatCompletedItsItemItselfIsLeftAlone) {
  BeReady(4);
  const TaskId task = RunsSubmitted(Mine("k"));
  Tell(WorkNews(EventKind::kWorkCompleted, kSelf, "k", 1));
  EXPECT_EQ(Count<Fire>(), 0U);
  rules_->OnReturned(now_, task, Done{});
  Take<Finish>();
}

// Its old function holds the key, and its slot, until it returns: see KeysInFlight.
TEST_F(RunnerRulesTest, Fenced_AnItemThatIsHadAgainMakesTheOldRunLost) {
  BeReady(4);
  const TaskId old = RunsSubmitted(Mine("k", 1));
  Tell(WorkNews(EventKind::kWorkClaimed, kSelf, "k", 3));
  const auto fired = Take<Fire>();
  EXPECT_EQ(fired.task, old);
  EXPECT_TRUE(fired.lost);
  rules_->OnFetched(now_, Take<Fetch>().query, Mine("k", 3));
  EXPECT_NE(Begun("k"), old);
}

// --- What is written ---

TEST_F(RunnerRulesTest, Written_AfterTheFunctionHasReturned) {
  BeReady(4);
  const TaskId task = RunsSubmitted(Mine("k"));
  EXPECT_EQ(Count<Finish>(), 0U);
  rules_->OnReturned(now_, task, Done{"result"});
  const auto finish = Take<Finish>();
  EXPECT_EQ(std::get<Done>(finish.result).result, "result");
  EXPECT_EQ(Count<Forget>(), 0U);
  rules_->OnFinished(now_, task, {});
  Take<Forget>();
  EXPECT_EQ(Take<TellEnded>().end, TaskEnd::kCompleted);
}

TEST_F(RunnerRulesTest, Written_AgainWhenNobodyCouldBeReached) {
  BeReady(4);
  const TaskId task = RunsSubmitted(Mine("k"));
  rules_->OnReturned(now_, task, Failed{"no"});
  for (int i = 0; i < 20; ++i) {
    Take<Finish>();
    rules_->OnFinished(now_, task, Unreachable());
    RunFor(seconds(10));
  }
  Take<Finish>();
  rules_->OnFinished(now_, task, {});
  EXPECT_EQ(Take<TellEnded>().end, TaskEnd::kFailed);
}

TEST_F(RunnerRulesTest, Written_ARefusalThatSaysLostIsTheEnd) {
  BeReady(4);
  const TaskId task = RunsSubmitted(Mine("k"));
  rules_->OnReturned(now_, task, Done{});
  TakeAll<Finish>();
  rules_->OnFinished(now_, task, Refused(Reason::kFenced));
  const auto ended = Take<TellEnded>();
  EXPECT_EQ(ended.end, TaskEnd::kLost);
  EXPECT_EQ(ended.why->reason, Reason::kFenced);
  RunFor(seconds(5));
  EXPECT_EQ(Count<Finish>(), 0U);
}

TEST_F(RunnerRulesTest, Written_AResultThatIsRefusedIsAFailure) {
  BeReady(4);
  const TaskId task = RunsSubmitted(Mine("k"));
  rules_->OnReturned(now_, task, Done{"too large"});
  TakeAll<Finish>();
  rules_->OnFinished(now_, task, Refused(Reason::kInvalidField));
  EXPECT_TRUE(std::holds_alternative<Failed>(Take<Finish>().result));
  rules_->OnFinished(now_, task, {});
  const auto ended = Take<TellEnded>();
  EXPECT_EQ(ended.end, TaskEnd::kFailed);
  EXPECT_EQ(ended.why->reason, Reason::kInvalidField);
}

}  // namespace
}  // namespace vigil::client
