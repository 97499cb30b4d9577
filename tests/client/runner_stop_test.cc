// How a runner hands over what it has, and how it ends.
#include "client/runner_rules_fixture.h"

namespace vigil::client {
namespace {

using std::chrono::seconds;
using namespace work_action;

TEST_F(RunnerRulesTest, Stop_LeavesWhenAllHaveReturnedAndAllIsWritten) {
  BeReady(4);
  const TaskId first = RunsSubmitted(Mine("a"));
  const TaskId second = RunsSubmitted(Mine("b"));
  Stop();
  EXPECT_EQ(TakeAll<Fire>().size(), 2U);
  rules_->OnReturned(now_, first, GivenBack{});
  rules_->OnReturned(now_, second, Done{});
  const auto finishes = TakeAll<Finish>();
  ASSERT_EQ(finishes.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<GivenBack>(finishes[0].result));
  rules_->OnFinished(now_, first, {});
  EXPECT_EQ(Count<Leave>(), 0U);
  rules_->OnFinished(now_, second, {});
  Take<Leave>();
  EXPECT_EQ(Count<Over>(), 0U);
  rules_->OnLeft(now_);
  Take<Over>();
  EXPECT_TRUE(rules_->over());
}

TEST_F(RunnerRulesTest, Stop_TheEventOfItsOwnLeaveIsNoLoss) {
  BeReady(4);
  Stop();
  Take<Leave>();
  Tell(PodNews(EventKind::kPodLeft, kSelf, 0));
  EXPECT_FALSE(rules_->lost());
}

TEST_F(RunnerRulesTest, Stop_AStickyItemIsLeftToItsName) {
  BeReady(4);
  WorkItem item = Mine("k");
  item.traits.policy = RecoveryPolicy::kSticky;
  const TaskId task = RunsSubmitted(item);
  Stop();
  rules_->OnReturned(now_, task, GivenBack{});
  EXPECT_EQ(Count<Finish>(), 0U);
  EXPECT_EQ(Take<TellEnded>().end, TaskEnd::kKept);
  Take<Leave>();
}

TEST_F(RunnerRulesTest, Stop_AnAssignedItemIsReleased) {
  BeReady(4);
  WorkItem item = Mine("k");
  item.traits.policy = RecoveryPolicy::kAssign;
  const TaskId task = RunsSubmitted(item);
  Stop();
  rules_->OnReturned(now_, task, GivenBack{});
  EXPECT_TRUE(std::holds_alternative<GivenBack>(Take<Finish>().result));
}

TEST_F(RunnerRulesTest, Stop_AFunctionThatDoesNotReturnKeepsThePodAlive) {
  BeReady(4);
  const TaskId stuck = RunsSubmitted(Mine("stuck"));
  const TaskId good = RunsSubmitted(Mine("good"));
  Stop(seconds(2));
  rules_->OnReturned(now_, good, GivenBack{});
  rules_->OnFinished(now_, good, {});
  RunFor(seconds(60));
  EXPECT_EQ(Take<ReportUnreturned>().keys, std::vector<std::string>{"stuck"});
  EXPECT_EQ(Count<Leave>(), 0U) << "others would run it beside the function";
  rules_->OnReturned(now_, stuck, GivenBack{});
  Take<Leave>();
}

TEST_F(RunnerRulesTest, Stop_WhatCannotBeWrittenInTimeIsHandedOverByLeaving) {
  BeReady(4);
  const TaskId task = RunsSubmitted(Mine("k"));
  Stop(seconds(2));
  rules_->OnReturned(now_, task, GivenBack{});  // and the call hangs
  RunFor(seconds(2));
  Take<Forget>();
  Take<Leave>();
  rules_->OnFinished(now_, task, {});  // too late to be news
}

TEST_F(RunnerRulesTest, Stop_WaitsForAClaimThatIsUnderWay) {
  BeReady(4);
  Tell(PodNews(EventKind::kPodDied, kOther));
  RunFor(ClaimRamp::kSpread);
  const auto claim = Take<ClaimOrphans>();
  Stop();
  EXPECT_EQ(Count<Leave>(), 0U);
  rules_->OnClaimedOrphans(now_, claim.query, std::vector{Mine("k", 2)});
  EXPECT_EQ(Count<work_action::Run>(), 0U);
  Take<Leave>();
}

TEST_F(RunnerRulesTest, Stop_BeforeTheRegistration) {
  Begin(1);
  Stop();
  Take<Leave>();
}

TEST_F(RunnerRulesTest, Registration_ThatIsRefusedIsTheEnd) {
  Begin(1);
  rules_->OnRefused(now_);
  Take<Over>();
  EXPECT_EQ(Count<Leave>(), 0U);
}

TEST_F(RunnerRulesTest, Concurrency_SubmittedItemsWaitForASlot) {
  BeReady(1);
  const TaskId first = RunsSubmitted(Mine("a"));
  rules_->OnStarted(now_, *rules_->BeginSubmit(), Started{StartOutcome::kStarted, Mine("b")});
  EXPECT_EQ(Count<work_action::Run>(), 0U);
  rules_->OnFenced(now_, first);  // lost, but its function still runs
  RunFor(seconds(5));
  EXPECT_EQ(Count<work_action::Run>() + Count<Fetch>(), 0U);
  rules_->OnReturned(now_, first, Done{});
  rules_->OnFetched(now_, Take<Fetch>().query, Mine("b"));
  Begun("b");
}

}  // namespace
}  // namespace vigil::client
