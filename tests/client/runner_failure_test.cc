// What fails is given up without haste, and what cannot begin is neither lost nor hoarded.
#include "client/runner_rules_fixture.h"

namespace vigil::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using namespace work_action;

class RunnerFailureTest : public RunnerRulesTest {
 protected:
  RunnerFailureTest() { failure_pause_ = seconds(1); }

  static WorkItem Adopted(std::uint32_t times) {
    WorkItem item = Mine("k", times + 1);
    item.adoptions = times;
    return item;
  }

  // How long after the failure of an item that was adopted so often it is written.
  Duration PauseOf(std::uint32_t adoptions) {
    BeReady(1);
    const TaskId task = RunsSubmitted(Adopted(adoptions));
    const Time failed = now_;
    rules_->OnReturned(now_, task, Failed{"no"});
    while (Count<Finish>() == 0 && now_ - failed < minutes(10)) RunFor(milliseconds(10));
    EXPECT_EQ(std::get<Failed>(Take<Finish>().result).reason, "no");
    return now_ - failed;
  }
};

TEST_F(RunnerFailureTest, Failure_IsWrittenAfterAPauseThatGrowsWithTheAdoptions) {
  EXPECT_EQ(PauseOf(0), milliseconds(750));
  EXPECT_EQ(PauseOf(1), milliseconds(1500));
  EXPECT_EQ(PauseOf(4), seconds(12));
  EXPECT_EQ(PauseOf(1'000'000), seconds(45));
  random_ = 0.0;
  EXPECT_EQ(PauseOf(1), seconds(1));
}

TEST_F(RunnerFailureTest, Failure_WithoutAPauseIsWrittenAtOnce) {
  failure_pause_ = {};
  EXPECT_EQ(PauseOf(3), Duration::zero());
}

TEST_F(RunnerFailureTest, Failure_ItsSlotIsUsedMeanwhile) {
  BeReady(1);
  const TaskId failing = RunsSubmitted(Mine("a"));
  rules_->OnReturned(now_, failing, Failed{"no"});
  const TaskId other = RunsSubmitted(Mine("b"));
  // No more are held than may run: the next one keeps its slot.
  rules_->OnReturned(now_, other, Failed{"no"});
  rules_->OnStarted(now_, *rules_->BeginSubmit("c"), Started{StartOutcome::kStarted, Mine("c")});
  EXPECT_EQ(Count<work_action::Run>() + Count<Fetch>(), 0U);
  RunFor(seconds(1));
  for (const TaskId task : {failing, other}) rules_->OnFinished(now_, task, {});
  rules_->OnFetched(now_, Take<Fetch>().query, Mine("c"));
  Begun("c");
}

TEST_F(RunnerFailureTest, Failure_AStopDoesNotWait) {
  BeReady(2);
  const TaskId held = RunsSubmitted(Mine("a"));
  const TaskId running = RunsSubmitted(Mine("b"));
  rules_->OnReturned(now_, held, Failed{"no"});
  EXPECT_EQ(Count<Finish>(), 0U);
  Stop();
  EXPECT_EQ(Take<Finish>().task, held);
  rules_->OnReturned(now_, running, Failed{"no"});
  EXPECT_EQ(Take<Finish>().task, running);
}

TEST_F(RunnerFailureTest, Failure_OfWhatIsLostMeanwhileIsNotWritten) {
  BeReady(2);
  const TaskId first = RunsSubmitted(Mine("a"));
  const TaskId second = RunsSubmitted(Mine("b"));
  for (const TaskId task : {first, second}) rules_->OnReturned(now_, task, Failed{"no"});
  Tell(WorkNews(EventKind::kWorkClaimed, kOther, "a", 2));
  EXPECT_EQ(Take<TellEnded>().end, TaskEnd::kLost);
  rules_->OnLost(now_);
  EXPECT_EQ(Take<TellEnded>().end, TaskEnd::kLost);
  RunFor(minutes(2));
  EXPECT_EQ(Count<Finish>(), 0U);
}

TEST_F(RunnerFailureTest, Failure_ItKeepsItsItem) {
  BeReady(2);
  const TaskId task = RunsSubmitted(Adopted(5));
  rules_->OnReturned(now_, task, Failed{"no"});
  RunFor(seconds(10));
  rules_->OnListed(now_, Take<ListOwn>().query, OwnPage{{{"k", Fence(6)}}});
  EXPECT_EQ(Count<Fetch>() + Count<work_action::Run>(), 0U);
}

TEST_F(RunnerFailureTest, GivenBack_IsNotTakenAgainWithoutRest) {
  BeReady(1);
  for (const Duration rest : {milliseconds(100), milliseconds(200), milliseconds(400)}) {
    Tell(WorkNews(EventKind::kWorkReleased, kSelf, "k", 1));
    RunFor(ClaimRamp::kFirstRest * 10);
    const auto claim = Take<ClaimOrphans>();
    rules_->OnClaimedOrphans(now_, claim.query, std::vector{Mine("k", claim.query.value())});
    const TaskId task = Begun("k");
    rules_->OnReturned(now_, task, GivenBack{});
    Tell(WorkNews(EventKind::kWorkReleased, kSelf, "k", claim.query.value()));
    rules_->OnFinished(now_, task, {});
    RunFor(rest);
    EXPECT_EQ(Count<ClaimOrphans>(), 0U);
    RunFor(seconds(2));
    rules_->OnClaimedOrphans(now_, Take<ClaimOrphans>().query, std::vector<WorkItem>{});
    RunFor(seconds(2));
  }
}

// --- No thread for it ---

TEST_F(RunnerFailureTest, NoThread_TheItemIsFetchedAndRunLater) {
  BeReady(2);
  const TaskId task = RunsSubmitted(Mine("k"));
  rules_->OnNotBegun(now_, task);
  RunFor(RunnerRules::kAfterTrouble - milliseconds(1));
  EXPECT_EQ(Count<Fetch>() + Count<TellEnded>() + Count<Forget>(), 0U);
  RunFor(milliseconds(1));
  rules_->OnFetched(now_, Take<Fetch>().query, Mine("k"));
  EXPECT_NE(Begun("k"), task);
}

TEST_F(RunnerFailureTest, NoThread_NothingIsClaimedMeanwhile) {
  BeReady(8);
  const auto submission = rules_->BeginSubmit("other");
  rules_->OnNotBegun(now_, RunsSubmitted(Mine("k")));
  Tell(PodNews(EventKind::kPodDied, kOther));
  Tell(WorkNews(EventKind::kWorkClaimed, kSelf, "assigned", 1));
  rules_->OnStandBy(now_, {.key = "wanted"});
  rules_->OnStarted(now_, *submission, Started{StartOutcome::kStarted, Mine("other")});
  RunFor(RunnerRules::kAfterTrouble - milliseconds(1));
  EXPECT_EQ(Count<ClaimOrphans>() + Count<work_action::Claim>() + Count<Start>(), 0U);
  EXPECT_EQ(Count<Fetch>() + Count<work_action::Run>(), 0U);
  RunFor(milliseconds(50));
  EXPECT_EQ(Count<Fetch>(), 3U);
  EXPECT_EQ(Count<ClaimOrphans>(), 1U);
  EXPECT_EQ(Count<Start>(), 1U);
}

TEST_F(RunnerFailureTest, NoThread_AtAStopItIsHandedOver) {
  BeReady(2);
  RunsSubmitted(Mine("slow"));
  rules_->OnNotBegun(now_, RunsSubmitted(Mine("k")));
  Stop();
  rules_->OnFetched(now_, Take<Fetch>().query, Mine("k"));
  EXPECT_EQ(Take<Release>().key, "k");
}

}  // namespace
}  // namespace vigil::client
