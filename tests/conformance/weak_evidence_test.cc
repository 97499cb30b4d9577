// Locks that are found free: the probe, the suspicion and the verdict, and who may judge.
#include "conformance/store_test.h"

namespace vigil {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST_P(StoreTest, Probe_FindsWhatIsFree) {
  Host host = AddHost();
  Host other = AddHost();
  Register(host, "held");
  Pod free = RegisterFree(other, "free");
  NewPod fast = Newcomer(other, "fast", "other");
  fast.profile = Profile::kFast;
  fast.lease = std::chrono::milliseconds(700);
  Pod free_elsewhere = RegisterAs(fast).pod;
  ReleaseSession(other, free_elsewhere.session);
  Pod dead = RegisterFree(other, "dead");
  Kill(dead);
  Seq head = Head();

  ProbeReport report = Must(store().Probe(host.observer(), kDue));

  EXPECT_FALSE(report.identity.empty());
  EXPECT_EQ(report.living, 3U);
  EXPECT_THAT(report.free_pods,
              UnorderedElementsAre(Field(&FreePod::pod, HostedAs(free)),
                                   Field(&FreePod::pod, HostedAs(free_elsewhere))));
  for (const FreePod& found : report.free_pods) {
    bool is_fast = found.pod == HostedAs(free_elsewhere);
    EXPECT_EQ(found.ns, is_fast ? "other" : kNs);
    EXPECT_EQ(found.profile, is_fast ? Profile::kFast : Profile::kStrict);
    EXPECT_EQ(found.lease, is_fast ? fast.lease : free.lease);
    EXPECT_FALSE(found.suspicion);
  }
  EXPECT_THAT(report.free_coordinators, IsEmpty());
  EXPECT_EQ(Head(), head) << "a probe changes nothing";
}

TEST_P(StoreTest, Probe_LetsGoOfWhatItGot) {
  Host host = AddHost();
  Pod pod = RegisterFree(host, "cart");
  EXPECT_EQ(Must(store().Probe(host.observer(), kDue)).free_pods.size(), 1U);
  auto other = OpenStore();
  EXPECT_EQ(Must(other->Probe(host.observer(), kDue)).free_pods.size(), 1U);
  EXPECT_TRUE(TakeSession(host, pod.session));
  EXPECT_THAT(Must(store().Probe(host.observer(), kDue)).free_pods, IsEmpty());
}

TEST_P(StoreTest, Probe_TheCurrentSessionOnly) {
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  Pod resumed = Must(ResumeOne(store(), Returning(host, pod)));
  ReleaseSession(host, pod.session);
  EXPECT_THAT(Must(store().Probe(host.observer(), kDue)).free_pods, IsEmpty());
  ReleaseSession(host, resumed.session);
  EXPECT_THAT(Must(store().Probe(host.observer(), kDue)).free_pods,
              ElementsAre(Field(&FreePod::pod, HostedAs(resumed))));
}

TEST_P(StoreTest, Probe_NamesTheSuspicionOfTheSameEvidence) {
  Host host = AddHost();
  Pod pod = RegisterFree(host, "cart");
  Must(store().SuspectHosted(kNs, Cause::kStreamEnded, {HostedAs(pod)}));
  EXPECT_THAT(Must(store().Probe(host.observer(), kDue)).free_pods,
              ElementsAre(Field(&FreePod::suspicion, SuspicionNumber{})))
      << "a suspicion of the host's is another evidence";

  SuspicionNumber suspicion = SuspectFree(host, pod);

  EXPECT_THAT(Must(store().Probe(host.observer(), kDue)).free_pods,
              ElementsAre(Field(&FreePod::suspicion, suspicion)));
}

TEST_P(StoreTest, Probe_FindsLostCoordinators) {
  Host host = AddHost();
  Host lost = AddHost(std::chrono::seconds(40));
  EXPECT_THAT(Must(store().Probe(host.observer(), kDue)).free_coordinators, IsEmpty());
  lost.session.reset();
  EXPECT_TRUE(world().TurnUntil([&] {
    auto free = Must(store().Probe(host.observer(), kDue)).free_coordinators;
    return free == std::vector{FreeCoordinator{lost.number, std::chrono::seconds(40)}};
  }));
}

TEST_P(StoreTest, Probe_TellsTheTrustWindowOfTheHost) {  // P7
  Host observer = AddHost();
  Host longer = AddHost(std::chrono::seconds(60));
  Host shorter = AddHost(std::chrono::milliseconds(1'500));
  Host without_a_row{.number = {999'999'999}, .session = OpenSession()};
  Pod a = RegisterFree(longer, "a");
  Pod b = RegisterFree(shorter, "b");
  Pod c = RegisterFree(without_a_row, "c");
  Must(store().RemoveCoordinator(longer.number));

  auto told = [](const Pod& pod, Duration window) {
    return AllOf(Field(&FreePod::pod, HostedAs(pod)), Field(&FreePod::host_trust_window, window));
  };
  EXPECT_THAT(
      Must(store().Probe(observer.observer(), kDue)).free_pods,
      UnorderedElementsAre(told(a, std::chrono::seconds(60)),
                           told(b, std::chrono::milliseconds(1'500)), told(c, Duration::zero())));

  // A pod that moved is hosted by another.
  Pod moved = Must(ResumeOne(store(), Returning(shorter, a)));
  ReleaseSession(shorter, moved.session);
  EXPECT_THAT(Must(store().Probe(observer.observer(), kDue)).free_pods,
              Contains(told(moved, std::chrono::milliseconds(1'500))));
}

// Every judgement by such an observer is refused, and nothing is changed.
class UnfitObserver {
 public:
  UnfitObserver(Store& store, const Pod& free, SuspicionNumber suspicion,
                CoordinatorNumber free_coordinator)
      : store_(store), free_(free), suspicion_(suspicion), free_coordinator_(free_coordinator) {}

  void ExpectRefused(const Observer& observer, const char* why) {
    SCOPED_TRACE(why);
    HostedPod pod = HostedAs(free_);
    EXPECT_EQ(ReasonOf(store_.Probe(observer, kDue)), reason::kCoordinatorUntrusted);
    EXPECT_EQ(ReasonOf(store_.SuspectFree(observer, kNs, {pod})), reason::kCoordinatorUntrusted);
    EXPECT_EQ(ReasonOf(store_.DeclareFree(observer, kNs, {{pod, suspicion_}})),
              reason::kCoordinatorUntrusted);
    EXPECT_EQ(ReasonOf(store_.GiveUpCoordinators(observer, {free_coordinator_})),
              reason::kCoordinatorUntrusted);
  }

 private:
  Store& store_;
  Pod free_;
  SuspicionNumber suspicion_;
  CoordinatorNumber free_coordinator_;
};

TEST_P(StoreTest, Probe_UnfitObserverRefused) {  // P10
  Host host = AddHost();
  Host other = AddHost();
  Host lost = AddHost();
  Pod pod = RegisterFree(host, "cart");
  SuspicionNumber suspicion = SuspectFree(host, pod);
  lost.session.reset();
  UnfitObserver unfit(store(), pod, suspicion, lost.number);

  unfit.ExpectRefused({host.number, other.session->backend()}, "its lock is held by another");
  unfit.ExpectRefused({host.number, {}}, "it does not know who holds its lock");
  unfit.ExpectRefused({host.number, host.session->backend(), "another"},
                      "it probed other locks than those that are there now");
  unfit.ExpectRefused({CoordinatorNumber{999'999'999}, host.session->backend()}, "it has no row");
  ReleaseLock(host, {LockKind::kCoordinator, host.number.value});
  unfit.ExpectRefused(host.observer(), "its lock is not held");
  Must(store().RemoveCoordinator(other.number));
  unfit.ExpectRefused(other.observer(), "its row is not ALIVE");

  EXPECT_EQ(StateOf(pod), PodState::kSuspect);
  Host fit = AddHost();
  EXPECT_THAT(Must(store().DeclareFree(fit.observer(), kNs, {{HostedAs(pod), suspicion}})),
              ElementsAre(HostedAs(pod)));
  EXPECT_TRUE(world().TurnUntil([&] {
    auto given_up = Must(store().GiveUpCoordinators(fit.observer(), {lost.number}));
    return given_up == std::vector{lost.number};
  }));
}

TEST_P(StoreTest, SuspectFree_MarksTheFree) {
  Host host = AddHost();
  Pod pod = RegisterFree(host, "cart");

  SuspectFree(host, pod);

  Pod suspect = Must(store().GetPod(kNs, "cart"));
  EXPECT_EQ(suspect.state, PodState::kSuspect);
  EXPECT_EQ(suspect.cause, Cause::kLockFree);
  EXPECT_THAT(KindsAfter(Seq{1}), ElementsAre(EventKind::kPodSuspected));
}

TEST_P(StoreTest, SuspectFree_HeldLockIsNoEvidence) {  // P1
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  EXPECT_THAT(Must(store().SuspectFree(host.observer(), kNs, {HostedAs(pod)})), IsEmpty());
  EXPECT_EQ(StateOf(pod), PodState::kAlive);
}

TEST_P(StoreTest, SuspectFree_VoidForAnOldSession) {
  Host host = AddHost();
  Pod pod = RegisterFree(host, "cart");
  Pod resumed = Must(ResumeOne(store(), Returning(host, pod)));
  EXPECT_THAT(Must(store().SuspectFree(host.observer(), kNs, {HostedAs(pod)})), IsEmpty());
  EXPECT_EQ(StateOf(resumed), PodState::kAlive);
}

TEST_P(StoreTest, SuspectFree_OncePerEvidence) {
  Host host = AddHost();
  Host other = AddHost();
  Pod pod = RegisterFree(host, "cart");
  SuspicionNumber first = SuspectFree(host, pod);
  Seq head = Head();

  EXPECT_THAT(Must(store().SuspectFree(other.observer(), kNs, {HostedAs(pod)})), IsEmpty());

  EXPECT_EQ(Head(), head);
  Must(store().Refute(kNs, {HostedAs(pod)}));
  EXPECT_GT(SuspectFree(other, pod), first);
}

TEST_P(StoreTest, SuspectFree_TakesOverFromTheHostsEvidence) {
  Host host = AddHost();
  Pod pod = RegisterFree(host, "cart");
  Must(store().SuspectHosted(kNs, Cause::kStreamEnded, {HostedAs(pod)}));

  SuspicionNumber suspicion = SuspectFree(host, pod);

  EXPECT_THAT(Must(store().DeclareFree(host.observer(), kNs, {{HostedAs(pod), suspicion}})),
              ElementsAre(HostedAs(pod)));
}

TEST_P(StoreTest, DeclareFree_EndsTheSuspected) {
  Host host = AddHost();
  Host other = AddHost();
  Pod pod = RegisterFree(host, "cart");
  StartWork(pod, "a");
  SuspicionNumber suspicion = SuspectFree(other, pod);
  Seq head = Head();

  EXPECT_THAT(Must(store().DeclareFree(other.observer(), kNs, {{HostedAs(pod), suspicion}})),
              ElementsAre(HostedAs(pod)));

  Pod dead = Must(store().GetPod(kNs, "cart"));
  EXPECT_EQ(dead.state, PodState::kDead);
  EXPECT_EQ(dead.cause, Cause::kLockFree);
  EXPECT_TRUE(dead.ended_at);
  auto events = EventsAfter(head);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, EventKind::kPodDied);
  EXPECT_EQ(events[0].cause, Cause::kLockFree);
  EXPECT_EQ(events[0].orphans, 1U);
  EXPECT_THAT(TakenFrom(host), ElementsAre(pod.session)) << "its host is told";
}

// A host whose own prober judges must stop granting leases, too.
TEST_P(StoreTest, DeclareFree_TellsTheHostThoughItIsTheJudge) {  // P7
  Host host = AddHost();
  Pod pod = RegisterFree(host, "cart");
  SuspicionNumber suspicion = SuspectFree(host, pod);

  EXPECT_THAT(Must(store().DeclareFree(host.observer(), kNs, {{HostedAs(pod), suspicion}})),
              ElementsAre(HostedAs(pod)));

  EXPECT_THAT(TakenFrom(host), ElementsAre(pod.session));
}

TEST_P(StoreTest, DeclareFree_AtMostOnce) {  // P2
  Host host = AddHost();
  Pod pod = RegisterFree(host, "cart");
  SuspicionNumber suspicion = SuspectFree(host, pod);
  Must(store().DeclareFree(host.observer(), kNs, {{HostedAs(pod), suspicion}}));
  Seq head = Head();

  EXPECT_THAT(Must(store().DeclareFree(host.observer(), kNs, {{HostedAs(pod), suspicion}})),
              IsEmpty());
  EXPECT_THAT(Must(store().DeclareHosted(kNs, Cause::kStreamEnded, {HostedAs(pod)})).events,
              IsEmpty());
  EXPECT_THAT(Must(store().SuspectFree(host.observer(), kNs, {HostedAs(pod)})), IsEmpty());

  EXPECT_EQ(Head(), head);
}

TEST_P(StoreTest, DeclareFree_NeedsStandingSuspicion) {
  Host host = AddHost();
  Pod pod = RegisterFree(host, "cart");
  auto declare = [&](SuspicionNumber suspicion) {
    return Must(store().DeclareFree(host.observer(), kNs, {{HostedAs(pod), suspicion}}));
  };
  EXPECT_THAT(declare({}), IsEmpty()) << "it is not suspected at all";

  Must(store().SuspectHosted(kNs, Cause::kStreamEnded, {HostedAs(pod)}));
  EXPECT_THAT(declare({}), IsEmpty()) << "the host's evidence is for the host to judge";

  SuspicionNumber first = SuspectFree(host, pod);
  EXPECT_THAT(declare({first.value + 1}), IsEmpty()) << "there is no such suspicion";
  Must(store().Refute(kNs, {HostedAs(pod)}));
  EXPECT_THAT(declare(first), IsEmpty()) << "it was refuted";

  SuspicionNumber second = SuspectFree(host, pod);
  EXPECT_THAT(declare(first), IsEmpty()) << "another one stands";
  EXPECT_EQ(StateOf(pod), PodState::kSuspect);
  EXPECT_THAT(declare(second), ElementsAre(HostedAs(pod)));
}

TEST_P(StoreTest, DeclareFree_HeldLockIsNoDeath) {  // P1
  Host host = AddHost();
  Pod pod = RegisterFree(host, "cart");
  SuspicionNumber suspicion = SuspectFree(host, pod);
  ASSERT_TRUE(TakeSession(host, pod.session));

  EXPECT_THAT(Must(store().DeclareFree(host.observer(), kNs, {{HostedAs(pod), suspicion}})),
              IsEmpty());

  EXPECT_EQ(StateOf(pod), PodState::kSuspect);
}

TEST_P(StoreTest, DeclareFree_VoidForAnOldSession) {  // P1
  Host host = AddHost();
  Host other = AddHost();
  Pod pod = RegisterFree(host, "cart");
  SuspicionNumber suspicion = SuspectFree(other, pod);
  Pod resumed = Must(ResumeOne(store(), Returning(other, pod)));

  EXPECT_THAT(Must(store().DeclareFree(other.observer(), kNs, {{HostedAs(pod), suspicion}})),
              IsEmpty());
  EXPECT_THAT(Must(store().DeclareFree(other.observer(), kNs, {{HostedAs(resumed), suspicion}})),
              IsEmpty());

  EXPECT_EQ(StateOf(pod), PodState::kAlive);
}

TEST_P(StoreTest, DeclareFree_JudgesEachByItself) {  // P1
  Host host = AddHost();
  std::vector<Suspicion> suspicions;
  std::vector<HostedPod> free;
  std::vector<HostedPod> all;
  for (int i = 0; i < 10; ++i) {
    Pod pod = RegisterFree(host, "cart-" + std::to_string(i));
    all.push_back(HostedAs(pod));
    suspicions.push_back({HostedAs(pod), SuspectFree(host, pod)});
    if (i % 2 == 0) {
      ASSERT_TRUE(TakeSession(host, pod.session));
    } else {
      free.push_back(HostedAs(pod));
    }
  }

  EXPECT_THAT(Must(store().DeclareFree(host.observer(), kNs, suspicions)),
              ::testing::UnorderedElementsAreArray(free));
  EXPECT_THAT(Must(store().Refute(kNs, all)), ::testing::SizeIs(5));
}

TEST_P(StoreTest, DeclareFree_OldIdentityIsVoid) {
  Host before = AddHost();
  Pod pod = RegisterFree(before, "cart");
  SuspicionNumber suspicion = SuspectFree(before, pod);
  DatabaseIdentity identity = Must(store().Probe(before.observer(), kDue)).identity;

  world().Restart();
  ASSERT_TRUE(world().TurnUntil([&] { return store().ReadBounds({}).has_value(); }));
  Host after = AddHost();

  ProbeReport report = Must(store().Probe(after.observer(), kDue));
  EXPECT_NE(report.identity, identity);
  EXPECT_THAT(report.free_pods, ElementsAre(Field(&FreePod::suspicion, SuspicionNumber{})))
      << "what was seen before the restart is no evidence";
  EXPECT_THAT(Must(store().DeclareFree(after.observer(), kNs, {{HostedAs(pod), suspicion}})),
              IsEmpty());
  EXPECT_EQ(StateOf(pod), PodState::kSuspect);

  SuspicionNumber anew = SuspectFree(after, pod);
  EXPECT_GT(anew, suspicion);
  EXPECT_THAT(Must(store().DeclareFree(after.observer(), kNs, {{HostedAs(pod), anew}})),
              ElementsAre(HostedAs(pod)));
}

}  // namespace
}  // namespace vigil
