// How pods register and leave.
#include "conformance/store_test.h"

namespace vigil {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST_P(StoreTest, Register_BeginsAnIncarnation) {
  Host host = AddHost();
  NewPod wish = Newcomer(host, "cart");
  wish.profile = Profile::kFast;
  wish.lease = std::chrono::milliseconds(1500);
  wish.labels = {{"zone", "a"}, {"version", "7 \"quoted\" \\ and 'so'"}, {"empty", ""}};

  Registered registered = RegisterAs(wish);

  const Pod& pod = registered.pod;
  EXPECT_EQ(pod.ns, kNs);
  EXPECT_EQ(pod.name, "cart");
  EXPECT_TRUE(pod.incarnation);
  EXPECT_EQ(pod.state, PodState::kAlive);
  EXPECT_EQ(pod.profile, Profile::kFast);
  EXPECT_EQ(pod.lease, std::chrono::milliseconds(1500));
  EXPECT_EQ(pod.labels, wish.labels);
  EXPECT_EQ(pod.coordinator, host.number);
  EXPECT_EQ(pod.session, wish.session);
  EXPECT_EQ(pod.cause, Cause::kNone);
  EXPECT_TRUE(pod.registered_at);
  EXPECT_FALSE(pod.ended_at);
  EXPECT_EQ(registered.session_token, wish.session_token);
  EXPECT_THAT(registered.predecessors_work, IsEmpty());

  Pod found = Must(store().GetPod(kNs, "cart"));
  EXPECT_EQ(found.incarnation, pod.incarnation);
  EXPECT_EQ(found.profile, Profile::kFast);
  EXPECT_EQ(found.lease, wish.lease);
  EXPECT_EQ(found.labels, wish.labels);

  auto events = EventsAfter({});
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, EventKind::kPodRegistered);
  EXPECT_EQ(events[0].pod_name, "cart");
  EXPECT_EQ(events[0].incarnation, pod.incarnation);
  EXPECT_TRUE(events[0].occurred_at);
}

TEST_P(StoreTest, Register_OneLivingIncarnationPerName) {
  Host host = AddHost();
  Pod incumbent = Register(host, "cart");

  auto outcome = Must(store().Register(Newcomer(host, "cart")));

  ASSERT_TRUE(std::holds_alternative<NameTaken>(outcome));
  EXPECT_EQ(std::get<NameTaken>(outcome).incumbent, incumbent.incarnation);
  EXPECT_EQ(AllPods().size(), 1U);
  EXPECT_EQ(Head(), Seq{1});
}

TEST_P(StoreTest, Register_TheSameNameElsewhereIsAnotherPod) {
  Host host = AddHost();
  Pod here = Register(host, "cart");
  Pod there = Register(host, "cart", "other");

  EXPECT_NE(here.incarnation, there.incarnation);
  EXPECT_EQ(ReasonOf(store().Leave("other", HostedAs(here))), reason::kPodNotFound);
  EXPECT_EQ(StateOf(here), PodState::kAlive);
}

TEST_P(StoreTest, Register_NameTakenWhileSuspect) {
  Host host = AddHost();
  Pod incumbent = Register(host, "cart");
  Must(store().SuspectHosted(kNs, Cause::kStreamEnded, {HostedAs(incumbent)}));

  auto outcome = Must(store().Register(Newcomer(host, "cart")));

  ASSERT_TRUE(std::holds_alternative<NameTaken>(outcome));
  EXPECT_EQ(std::get<NameTaken>(outcome).incumbent, incumbent.incarnation);
  EXPECT_EQ(StateOf(incumbent), PodState::kSuspect);
}

TEST_P(StoreTest, Register_AfterTheEndIsANewAndLargerIncarnation) {
  Host host = AddHost();
  Pod first = Register(host, "cart");
  Kill(first);
  Pod second = Register(host, "cart");
  Must(store().Leave(kNs, HostedAs(second)));
  Pod third = Register(host, "cart");

  EXPECT_LT(first.incarnation, second.incarnation);
  EXPECT_LT(second.incarnation, third.incarnation);
  EXPECT_EQ(StateOf(first), PodState::kDead);
}

TEST_P(StoreTest, Register_RepeatedFindsItsIncarnation) {
  Host host = AddHost();
  NewPod wish = Newcomer(host, "cart");
  Registered first = RegisterAs(wish);
  NewPod again = Newcomer(host, "cart");
  again.registration_id = wish.registration_id;
  again.session_token = "another token";

  Registered second = RegisterAs(again);

  EXPECT_EQ(second.pod.incarnation, first.pod.incarnation);
  EXPECT_EQ(second.pod.session, again.session);
  EXPECT_EQ(second.session_token, wish.session_token);
  EXPECT_THAT(KindsAfter({}), ElementsAre(EventKind::kPodRegistered));
  // The first session is not the pod's any more.
  EXPECT_THAT(Must(store().DeclareHosted(kNs, Cause::kStreamEnded, {HostedAs(first.pod)})).events,
              IsEmpty());
}

TEST_P(StoreTest, Register_RepeatedWithTheSameSessionChangesNothing) {
  Host host = AddHost();
  NewPod wish = Newcomer(host, "cart");
  Registered first = RegisterAs(wish);
  Registered second = RegisterAs(wish);

  EXPECT_EQ(HostedAs(second.pod), HostedAs(first.pod));
  EXPECT_EQ(Head(), Seq{1});
  EXPECT_THAT(TakenFrom(host), IsEmpty());
}

TEST_P(StoreTest, Register_RepeatedElsewhereMoves) {
  Host host = AddHost();
  Host other = AddHost();
  NewPod wish = Newcomer(host, "cart");
  Pod pod = RegisterAs(wish).pod;
  NewPod again = Newcomer(other, "cart");
  again.registration_id = wish.registration_id;

  EXPECT_EQ(RegisterAs(again).pod.coordinator, other.number);

  EXPECT_THAT(KindsAfter({}), ElementsAre(EventKind::kPodRegistered, EventKind::kPodMoved));
  EXPECT_THAT(TakenFrom(host), ElementsAre(pod.session));
}

TEST_P(StoreTest, Register_RepeatedAfterTheEndIsRefused) {
  Host host = AddHost();
  NewPod wish = Newcomer(host, "cart");
  Kill(RegisterAs(wish).pod);

  NewPod again = Newcomer(host, "cart");
  again.registration_id = wish.registration_id;
  EXPECT_EQ(ReasonOf(store().Register(again)), reason::kIncarnationEnded);

  // Another incarnation of the name does not change that.
  Register(host, "cart");
  EXPECT_EQ(ReasonOf(store().Register(again)), reason::kIncarnationEnded);
}

TEST_P(StoreTest, Register_NamesItsPredecessorsWork) {
  Host host = AddHost();
  Pod first = Register(host, "cart");
  Pod stranger = Register(host, "till");
  StartWork(first, "b");
  Must(store().CheckpointWork(HolderOf(StartWork(first, "a")), "half", {}));
  StartWork(first, "released");
  StartWork(stranger, "of another name");
  Must(store().ReleaseWork({kNs, "released", first.incarnation, Fence{1}}));
  Kill(first);
  Kill(stranger);

  Registered second = RegisterAs(Newcomer(host, "cart"));

  std::vector<std::string> keys;
  for (const WorkItem& item : second.predecessors_work) {
    keys.push_back(item.key);
    EXPECT_TRUE(item.orphan);
    EXPECT_EQ(item.owner, first.incarnation);
    EXPECT_EQ(item.owner_name, "cart");
    EXPECT_EQ(item.fence, Fence{1});
    EXPECT_EQ(BytesOf(item), 0U) << "no payload, checkpoint or result";  // P11
  }
  EXPECT_THAT(keys, ElementsAre("a", "b"));
  EXPECT_EQ(Must(store().GetWork(kNs, "a")).checkpoint, "half");
}

TEST_P(StoreTest, Leave_EndsAsLeft) {
  Host host = AddHost();
  Pod pod = Register(host, "cart");

  Must(store().Leave(kNs, HostedAs(pod)));

  Pod left = Must(store().GetPod(kNs, "cart"));
  EXPECT_EQ(left.state, PodState::kLeft);
  EXPECT_EQ(left.cause, Cause::kLeft);
  EXPECT_TRUE(left.ended_at);
  auto events = EventsAfter(Seq{1});
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, EventKind::kPodLeft);
  EXPECT_EQ(events[0].cause, Cause::kLeft);
  EXPECT_EQ(events[0].orphans, 0U);
}

TEST_P(StoreTest, Leave_Idempotent) {
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  Must(store().Leave(kNs, HostedAs(pod)));
  Seq head = Head();

  Must(store().Leave(kNs, HostedAs(pod)));

  EXPECT_EQ(Head(), head);
}

TEST_P(StoreTest, Leave_OfASuspectPod) {
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  Must(store().SuspectHosted(kNs, Cause::kHeartbeatsStopped, {HostedAs(pod)}));

  Must(store().Leave(kNs, HostedAs(pod)));

  EXPECT_EQ(StateOf(pod), PodState::kLeft);
}

TEST_P(StoreTest, Leave_LeavesOrphans) {  // P3
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  StartWork(pod, "a");
  StartWork(pod, "b");
  StartWork(pod, "done");
  Must(store().CompleteWork({kNs, "done", pod.incarnation, Fence{1}}, ""));
  Seq head = Head();

  Must(store().Leave(kNs, HostedAs(pod)));

  EXPECT_TRUE(Must(store().GetWork(kNs, "a")).orphan);
  EXPECT_TRUE(Must(store().GetWork(kNs, "b")).orphan);
  EXPECT_FALSE(Must(store().GetWork(kNs, "done")).orphan);
  EXPECT_EQ(Must(store().GetWork(kNs, "a")).owner, pod.incarnation);
  auto events = EventsAfter(head);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].orphans, 2U);
}

TEST_P(StoreTest, Leave_Refusals) {
  Host host = AddHost();
  Pod moved = Register(host, "cart");
  Pod dead = Register(host, "till");
  Pod resumed = Must(ResumeOne(store(), Returning(host, moved)));
  Kill(dead);

  auto taken = store().Leave(kNs, HostedAs(moved));
  EXPECT_EQ(ReasonOf(taken), reason::kSessionTaken);
  EXPECT_EQ(MetadataOf(taken), SessionTaken(resumed.session).metadata);
  EXPECT_EQ(StateOf(moved), PodState::kAlive);
  EXPECT_EQ(ReasonOf(store().Leave(kNs, HostedAs(dead))), reason::kIncarnationEnded);
  EXPECT_EQ(ReasonOf(store().Leave(kNs, {Incarnation{999'999'999}, dead.session})),
            reason::kPodNotFound);
  EXPECT_EQ(ReasonOf(store().Leave("nowhere", HostedAs(moved))), reason::kPodNotFound);
}

}  // namespace
}  // namespace vigil
