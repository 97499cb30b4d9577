// What a runner finds out although no event, and no answer, told it.
#include "client/runner_rules_fixture.h"

namespace vigil::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using namespace work_action;

// --- What the pod owns ---

TEST_F(RunnerRulesTest, List_ComesAtTheRegistrationThoughTheLogCannotBeFollowed) {
  Begin(2);
  rules_->OnRegistered(now_, kSelf, {});
  rules_->OnListed(now_, Take<ListOwn>().query, OwnPage{{{"k", Fence(3)}}});
  rules_->OnFetched(now_, Take<Fetch>().query, Mine("k", 3));
  Begun("k");
}

TEST_F(RunnerRulesTest, List_GoesOnToTheLastPage) {
  Begin(2);
  rules_->OnRegistered(now_, kSelf, {});
  rules_->OnListed(now_, Take<ListOwn>().query, OwnPage{{}, "after-499"});
  const auto second = Take<ListOwn>();
  EXPECT_EQ(second.page_token, "after-499");
  rules_->OnListed(now_, second.query, OwnPage{{}, ""});
  EXPECT_EQ(Count<ListOwn>(), 0U);
  RunFor(seconds(10));
  EXPECT_EQ(Take<ListOwn>().page_token, "") << "the next one begins at the start";
}

TEST_F(RunnerRulesTest, List_WhenTooManyWaitItGoesOnLaterWhereItWas) {
  Begin(2);
  rules_->OnRegistered(now_, kSelf, {});
  OwnPage full{{}, "more"};
  for (std::size_t i = 0; i < RunnerRules::kMostWaiting; ++i) {
    full.fences["k" + std::to_string(i)] = Fence(1);
  }
  rules_->OnListed(now_, Take<ListOwn>().query, full);
  rules_->OnTimer(now_ += milliseconds(1));
  EXPECT_EQ(Count<ListOwn>(), 0U) << "it would not be kept";
  for (auto fetches = TakeAll<Fetch>(); !fetches.empty(); fetches = TakeAll<Fetch>()) {
    for (const auto& fetch : fetches) {
      rules_->OnFetched(now_, fetch.query, ItemOf(kOther, fetch.key, 2));
    }
  }
  rules_->OnTimer(now_ += seconds(10));
  EXPECT_EQ(Take<ListOwn>().page_token, "more");
}

TEST_F(RunnerRulesTest, Submit_WhatMayHaveBeenStartedIsFoundWhetherOrNotItTakesOver) {
  for (const bool takes_over : {true, false}) {
    BeReady(2, takes_over);
    rules_->OnStarted(now_, *rules_->BeginSubmit("k"), tl::unexpected(Unreachable()));
    EXPECT_EQ(Count<Fetch>(), 0U);
    RunFor(RunnerRules::kAfterTrouble);
    rules_->OnFetched(now_, Take<Fetch>().query, Mine("k"));
    Begun("k");
  }
}

TEST_F(RunnerRulesTest, Submit_WhatWasRefusedIsNotLookedFor) {
  BeReady(2, false);
  rules_->OnStarted(now_, *rules_->BeginSubmit("k"),
                    tl::unexpected(Refused(Reason::kInvalidField)));
  RunFor(seconds(60));
  EXPECT_EQ(Count<Fetch>(), 0U);
}

TEST_F(RunnerRulesTest, Submit_AtMostSoManyAtOnce) {
  BeReady(1);
  for (std::size_t i = 0; i < RunnerRules::kMostWaiting; ++i) {
    ASSERT_TRUE(rules_->BeginSubmit("k"));
  }
  EXPECT_FALSE(rules_->BeginSubmit("k"));
}

TEST_F(RunnerRulesTest, Predecessors_AClaimThatMayHaveBeenMadeIsLookedFor) {
  Begin(2);
  rules_->OnRegistered(now_, kSelf, {ItemOf(Incarnation(5), "k", 4)});
  rules_->OnClaimed(now_, Take<work_action::Claim>().query, tl::unexpected(Unreachable()));
  RunFor(RunnerRules::kAfterTrouble);
  rules_->OnFetched(now_, Take<Fetch>().query, Mine("k", 5));
  Begun("k");
}

// It waits anew, with a higher fence, while a question about its earlier ownership is unanswered.
TEST_F(RunnerRulesTest, Waiting_AnAnswerThatIsOlderThanTheOwnershipDoesNotEndTheWait) {
  BeReady(1, false);
  rules_->OnStarted(now_, *rules_->BeginSubmit("k"), tl::unexpected(Unreachable()));
  RunFor(RunnerRules::kAfterTrouble);
  const auto slow = Take<Fetch>();
  rules_->OnStarted(now_, *rules_->BeginSubmit("k"), Started{StartOutcome::kOwned, Mine("k", 1)});
  EXPECT_EQ(Count<work_action::Run>(), 0U) << "the slot is for the answer";
  rules_->OnStarted(now_, *rules_->BeginSubmit("k"), Started{StartOutcome::kStarted, Mine("k", 2)});
  rules_->OnFetched(now_, slow.query, Mine("k", 1));
  EXPECT_EQ(Count<work_action::Run>(), 0U) << "it is not the pod's with this fence";
  RunFor(RunnerRules::kAfterTrouble);
  rules_->OnFetched(now_, Take<Fetch>().query, Mine("k", 2));
  Begun("k");
  EXPECT_EQ(begun_.item.fence, Fence(2));
}

TEST_F(RunnerRulesTest, Waiting_ThatThereWasNoSuchItemBeforeDoesNotEndTheWait) {
  BeReady(1, false);
  rules_->OnStarted(now_, *rules_->BeginSubmit("k"), tl::unexpected(Unreachable()));
  RunFor(RunnerRules::kAfterTrouble);
  const auto slow = Take<Fetch>();
  rules_->OnStarted(now_, *rules_->BeginSubmit("k"), Started{StartOutcome::kStarted, Mine("k", 1)});
  for (const QueryId query : {slow.query, QueryId()}) {
    const QueryId asked = query ? query : Take<Fetch>().query;
    rules_->OnFetched(now_, asked, tl::unexpected(Refused(Reason::kWorkNotFound)));
    RunFor(RunnerRules::kAfterTrouble);
  }
  EXPECT_EQ(Count<Fetch>() + Count<work_action::Run>(), 0U) << "by now there is none";
}

TEST_F(RunnerRulesTest, Waiting_WhatTheNewsSayIsSomebodyElsesIsNotRunForAnOlderAnswer) {
  BeReady(2);
  Tell(WorkNews(EventKind::kWorkClaimed, kSelf, "k", 5));
  const auto fetch = Take<Fetch>();
  Tell(WorkNews(EventKind::kWorkClaimed, kOther, "k", 6));
  rules_->OnFetched(now_, fetch.query, Mine("k", 5));
  EXPECT_EQ(Count<work_action::Run>(), 0U);
  RunFor(RunnerRules::kAfterTrouble);
  rules_->OnFetched(now_, Take<Fetch>().query, ItemOf(kOther, "k", 6));
  RunFor(seconds(5));
  EXPECT_EQ(Count<work_action::Run>() + Count<Fetch>(), 0U);
}

TEST_F(RunnerRulesTest, Waiting_OneQuestionAtATimeForAKey) {
  BeReady(4, false);
  rules_->OnStarted(now_, *rules_->BeginSubmit("k"), tl::unexpected(Unreachable()));
  RunFor(RunnerRules::kAfterTrouble);
  const auto slow = Take<Fetch>();
  const TaskId task = RunsSubmitted(Mine("k"));
  rules_->OnReturned(now_, task, GivenBack{});
  rules_->OnFinished(now_, task, {});
  rules_->OnStarted(now_, *rules_->BeginSubmit("k"), tl::unexpected(Unreachable()));
  RunFor(seconds(5));
  EXPECT_EQ(Count<Fetch>(), 0U);
  rules_->OnFetched(now_, slow.query, Mine("k", 1));
  EXPECT_EQ(Count<work_action::Run>(), 0U) << "it has been run since it was asked";
}

// --- What runs ---

// A change of owner between a function's beginning and the snapshot, no event tells.
TEST_F(RunnerRulesTest, Followed_WhatRunsAndIsSomebodyElsesByNowIsStopped) {
  for (const bool takes_over : {true, false}) {
    Begin(4, takes_over);
    rules_->OnRegistered(now_, kSelf, {});
    const TaskId taken = RunsSubmitted(Mine("taken"));
    const TaskId released = RunsSubmitted(Mine("released"));
    RunsSubmitted(Mine("ours"));
    EXPECT_EQ(Count<Fetch>(), 0U);
    rules_->OnFollowing(now_);
    for (const auto& fetch : TakeAll<Fetch>()) {
      WorkItem item = fetch.key == "taken" ? ItemOf(kOther, "taken", 2) : Mine(fetch.key);
      if (fetch.key == "released") item.state = WorkState::kReleased;
      rules_->OnFetched(now_, fetch.query, item);
    }
    const auto fired = TakeAll<Fire>();
    ASSERT_EQ(fired.size(), 2U);
    EXPECT_TRUE(fired[0].lost && fired[1].lost);
    EXPECT_EQ(std::set({fired[0].task, fired[1].task}), std::set({taken, released}));
    EXPECT_EQ(Count<work_action::Run>(), 0U);
  }
}

TEST_F(RunnerRulesTest, Followed_WhatRunsIsLookedAtAgainWhenNobodyCouldBeReached) {
  BeReady(4, false);
  RunsSubmitted(Mine("k"));
  rules_->OnFollowing(now_);
  rules_->OnFetched(now_, Take<Fetch>().query, tl::unexpected(Unreachable()));
  EXPECT_EQ(Count<Fetch>(), 0U);
  RunFor(RunnerRules::kAfterTrouble);
  rules_->OnFetched(now_, Take<Fetch>().query, tl::unexpected(Refused(Reason::kWorkNotFound)));
  EXPECT_TRUE(Take<Fire>().lost);
}

TEST_F(RunnerRulesTest, Followed_AFewAtATime) {
  BeReady(100, false);
  for (int i = 0; i < 20; ++i) RunsSubmitted(Mine("k" + std::to_string(i)));
  rules_->OnFollowing(now_);
  RunFor(seconds(1));
  std::size_t looked_at = 0;
  for (auto fetches = TakeAll<Fetch>(); !fetches.empty(); fetches = TakeAll<Fetch>()) {
    EXPECT_LE(fetches.size(), RunnerRules::kMostLooks);
    for (const auto& fetch : fetches) rules_->OnFetched(now_, fetch.query, Mine(fetch.key));
    looked_at += fetches.size();
  }
  EXPECT_EQ(looked_at, 20U);
  EXPECT_EQ(Count<Fire>(), 0U);
}

}  // namespace
}  // namespace vigil::client
