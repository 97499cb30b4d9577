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

// A STICKY item is left to its name; one that is ASSIGN, and released by a pod that still lives,
// may be given to that very pod.
TEST_F(RunnerRulesTest, Stop_AStickyOrAssignedItemIsHandedOnByLeaving) {
  for (const auto policy : {RecoveryPolicy::kSticky, RecoveryPolicy::kAssign}) {
    BeReady(4);
    const TaskId task = RunsSubmitted(Of(policy, Mine("k")));
    Stop();
    rules_->OnReturned(now_, task, GivenBack{});
    EXPECT_EQ(TakeAll<Finish>().size(), 0U) << Name(policy);
    EXPECT_EQ(Take<TellEnded>().end, TaskEnd::kKept);
    Take<Leave>();
  }
}

TEST_F(RunnerRulesTest, GivenBack_BeforeAnyStopItIsReleasedWhateverItsPolicy) {
  BeReady(4);
  const TaskId task = RunsSubmitted(Of(RecoveryPolicy::kAssign, Mine("k")));
  rules_->OnReturned(now_, task, GivenBack{});
  EXPECT_TRUE(std::holds_alternative<GivenBack>(Take<Finish>().result));
}

// A slow function is not to hold up what nobody runs.
TEST_F(RunnerRulesTest, Stop_WhatWaitsToRunIsReleasedWhileAFunctionStillRuns) {
  BeReady(1);
  const TaskId slow = RunsSubmitted(Mine("slow"));
  for (const char* key : {"compete", "assign", "gone"}) {
    Tell(WorkNews(EventKind::kWorkClaimed, kSelf, key, 1));
  }
  Stop();
  const std::vector<Fetch> fetches = TakeAll<Fetch>();
  ASSERT_EQ(fetches.size(), 3U);
  for (const Fetch& fetch : fetches) {
    const auto policy = fetch.key == "assign" ? RecoveryPolicy::kAssign : RecoveryPolicy::kCompete;
    rules_->OnFetched(
        now_, fetch.query,
        fetch.key == "gone" ? ItemOf(kOther, fetch.key, 2) : Of(policy, Mine(fetch.key)));
  }
  const auto released = Take<Release>();
  EXPECT_EQ(released.key, "compete");
  EXPECT_EQ(released.fence, Fence(1));
  rules_->OnReleased(released.query, {});
  RunFor(seconds(5));
  EXPECT_EQ(Count<Fetch>() + Count<Release>() + Count<work_action::Run>(), 0U);
  EXPECT_EQ(Count<Leave>(), 0U);
  rules_->OnReturned(now_, slow, GivenBack{});
  rules_->OnFinished(now_, slow, {});
  Take<Leave>();
}

TEST_F(RunnerRulesTest, Stop_WhatCannotBeLookedAtIsLookedAtAgainWithoutHaste) {
  BeReady(1);
  RunsSubmitted(Mine("slow"));
  Tell(WorkNews(EventKind::kWorkClaimed, kSelf, "k", 1));
  Stop();
  rules_->OnFetched(now_, Take<Fetch>().query, tl::unexpected(Unreachable()));
  EXPECT_EQ(Count<Fetch>(), 0U);
  RunFor(RunnerRules::kAfterTrouble);
  rules_->OnFetched(now_, Take<Fetch>().query, Mine("k"));
  Take<Release>();
}

TEST_F(RunnerRulesTest, Stop_WhatArrivesMeanwhileIsReleased) {
  BeReady(4);
  RunsSubmitted(Mine("slow"));
  const auto submission = rules_->BeginSubmit("submitted");
  Tell(PodNews(EventKind::kPodDied, kOther));
  RunFor(ClaimRamp::kSpread);
  const auto claim = Take<ClaimOrphans>();
  Stop();
  rules_->OnClaimedOrphans(
      now_, claim.query,
      std::vector{Mine("orphan", 2), Of(RecoveryPolicy::kSticky, Mine("sticky", 2))});
  EXPECT_EQ(Take<Release>().key, "orphan");
  rules_->OnStarted(now_, *submission, Started{StartOutcome::kStarted, Mine("submitted")});
  EXPECT_EQ(Take<Release>().key, "submitted");
  Tell(WorkNews(EventKind::kWorkClaimed, kSelf, "transferred", 3));
  rules_->OnFetched(now_, Take<Fetch>().query, Mine("transferred", 3));
  EXPECT_EQ(Take<Release>().key, "transferred");
  EXPECT_EQ(Count<work_action::Run>(), 0U);
}

// Released, it would come again, to the pod with the fewest.
TEST_F(RunnerRulesTest, Stop_WhatIsAssignedMeanwhileIsKeptUntilThePodHasLeft) {
  BeReady(4);
  const TaskId slow = RunsSubmitted(Mine("slow"));
  Stop();
  Tell(WorkNews(EventKind::kWorkClaimed, kSelf, "k", 3));
  rules_->OnFetched(now_, Take<Fetch>().query, Of(RecoveryPolicy::kAssign, Mine("k", 3)));
  RunFor(seconds(5));
  EXPECT_EQ(Count<Release>() + Count<Fetch>() + Count<work_action::Run>(), 0U);
  rules_->OnReturned(now_, slow, Done{});
  rules_->OnFinished(now_, slow, {});
  Take<Leave>();
}

TEST_F(RunnerRulesTest, Stop_WhatIsClaimedAfterItWasStoodByForIsReleased) {
  BeReady(2);
  RunsSubmitted(Mine("slow"));
  rules_->OnStandBy(now_, {.key = "k"});
  WorkItem orphan = ItemOf(kOther, "k", 4);
  orphan.orphan = true;
  rules_->OnStarted(now_, Take<Start>().query, Started{StartOutcome::kOrphaned, orphan});
  const auto claim = Take<work_action::Claim>();
  Stop();
  rules_->OnClaimed(now_, claim.query, Claimed{ClaimOutcome::kClaimed, Mine("k", 5)});
  EXPECT_EQ(Take<Release>().fence, Fence(5));
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
  rules_->OnStarted(now_, *rules_->BeginSubmit("b"), Started{StartOutcome::kStarted, Mine("b")});
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
