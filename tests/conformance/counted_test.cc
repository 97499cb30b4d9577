// What the store tells whoever counts: refutations, SUSPECT pods, and the work that waits.
#include "conformance/quarantine_test.h"

namespace vigil {
namespace {

using std::chrono::minutes;
using ::testing::AllOf;
using ::testing::Ge;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::SizeIs;

class CountedTest : public QuarantineTest {
 protected:
  TellRefuted Note() {
    return [this](Duration stood) { refuted_.push_back(stood); };
  }

  std::vector<Duration> refuted_;
};

VIGIL_FOR_EVERY_STORE(CountedTest);

TEST_P(CountedTest, Refute_TellsOfEachThatWasSuspect) {
  Host host = AddHost();
  Pod suspect = Register(host, "cart");
  Pod alive = Register(host, "till");
  Must(store().SuspectHosted(kNs, Cause::kStreamEnded, {HostedAs(suspect)}));
  const auto living = Must(store().Refute(kNs, {HostedAs(suspect), HostedAs(alive)}, Note()));
  EXPECT_THAT(living, SizeIs(2));
  ASSERT_THAT(refuted_, SizeIs(1));
  EXPECT_THAT(refuted_[0], AllOf(Ge(Duration::zero()), Le(minutes(1))));
  EXPECT_EQ(StateOf(suspect), PodState::kAlive);
  Must(store().Refute(kNs, {HostedAs(suspect), HostedAs(alive)}, Note()));
  EXPECT_THAT(refuted_, SizeIs(1)) << "once";
}

TEST_P(CountedTest, Resume_TellsOfTheSuspicionThatItEnded) {
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  Must(ResumeOne(store(), Returning(host, pod), Note()));
  EXPECT_THAT(refuted_, IsEmpty());
  pod = Must(store().GetPod(kNs, "cart"));
  Must(store().SuspectHosted(kNs, Cause::kStreamEnded, {HostedAs(pod)}));
  Must(ResumeOne(store(), Returning(host, pod), Note()));
  ASSERT_THAT(refuted_, SizeIs(1));
  EXPECT_THAT(refuted_[0], AllOf(Ge(Duration::zero()), Le(minutes(1))));

  // A resume that came late ends none.
  Pod now = Must(store().GetPod(kNs, "cart"));
  Must(store().SuspectHosted(kNs, Cause::kStreamEnded, {HostedAs(now)}));
  ResumePod late = Returning(host, now);
  late.session = pod.session;
  EXPECT_EQ(ReasonOf(ResumeOne(store(), late, Note())), reason::kSessionTaken);
  EXPECT_THAT(refuted_, SizeIs(1));
}

TEST_P(CountedTest, Register_ThatIsRepeatedTellsLikeAResume) {
  Host host = AddHost();
  NewPod newcomer = Newcomer(host, "cart");
  const Pod pod = RegisterAs(newcomer).pod;
  Must(store().SuspectHosted(kNs, Cause::kStreamEnded, {HostedAs(pod)}));
  newcomer.session = IssueSession(host);
  Must(store().Register(newcomer, Note()));
  EXPECT_THAT(refuted_, SizeIs(1));
  EXPECT_EQ(StateOf(pod), PodState::kAlive);
}

TEST_P(CountedTest, Probe_CountsTheSuspectAmongTheLiving) {
  Host host = AddHost();
  Register(host, "cart");
  Pod strong = Register(host, "till");
  Pod weak = RegisterFree(host, "shelf");
  Kill(Register(host, "gone"));
  Must(store().SuspectHosted(kNs, Cause::kStreamEnded, {HostedAs(strong)}));
  SuspectFree(host, weak);
  const auto report = Must(store().Probe(host.observer(), kDue));
  EXPECT_EQ(report.living, 3U);
  EXPECT_EQ(report.suspect, 2U);
}

TEST_P(CountedTest, CountWaiting_NothingAtFirst) {
  EXPECT_EQ(Must(store().CountWaiting()), WaitingWork{});
}

TEST_P(CountedTest, CountWaiting_ByPolicyAndNamespace) {
  Host host = AddHost();
  Pod living = Register(host, "till");
  StartWork(living, "held");
  Pod dead = Register(host, "cart");
  StartWork(dead, "c1");
  StartWork(dead, "c2");
  StartWork(dead, "a1", Assigned({{"zone", "nobody's"}}));
  StartWork(dead, "s1", Sticky(minutes(5)));
  Must(store().CompleteWork(HolderOf(StartWork(dead, "done")), ""));
  Must(store().ReleaseWork(HolderOf(StartWork(dead, "released"))));
  const Pod elsewhere = Register(host, "cart", "elsewhere");
  Must(store().StartWork(NewItem("c3", elsewhere.incarnation, "", "elsewhere")));
  EXPECT_EQ(Must(store().CountWaiting()), WaitingWork{});

  Kill(dead);
  Must(store().Leave("elsewhere", HostedAs(elsewhere)));
  WaitingWork waiting = Must(store().CountWaiting());
  EXPECT_EQ(waiting.compete, 3U);
  EXPECT_EQ(waiting.assign, 1U);
  EXPECT_EQ(waiting.sticky, 1U);
  EXPECT_EQ(waiting.quarantined, 0U);
  EXPECT_THAT(waiting.oldest, AllOf(Ge(Duration::zero()), Le(minutes(1))));

  EXPECT_EQ(Must(Claim(living, Item("c1"))).outcome, ClaimOutcome::kClaimed);
  EXPECT_EQ(Must(store().CountWaiting()).compete, 2U);
}

TEST_P(CountedTest, CountWaiting_Quarantined) {
  Host host = AddHost();
  const WorkItem stuck = Quarantined(host, "stuck");
  EXPECT_EQ(Must(store().CountWaiting()).quarantined, 1U);
  EXPECT_EQ(Must(store().CountWaiting()).oldest, Duration::zero());
  Must(store().ReleaseQuarantined(kNs, "stuck", stuck.fence));
  EXPECT_EQ(Must(store().CountWaiting()).quarantined, 0U);
}

}  // namespace
}  // namespace vigil
