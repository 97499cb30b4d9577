// Suspicion, refutation and verdicts: what counts as evidence, and who may judge.
#include "conformance/store_test.h"

namespace vigil {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const Cause kStrong = Cause::kStreamEnded;

// Whom these events are about.
std::vector<Incarnation> About(const WrittenEvents& written) {
  std::vector<Incarnation> incarnations;
  for (const Event& event : written.events) incarnations.push_back(event.incarnation);
  return incarnations;
}

TEST_P(StoreTest, SuspectHosted_MarksTheAliveOnce) {
  Host host = AddHost();
  Pod pod = Register(host, "cart");

  EXPECT_THAT(About(Must(store().SuspectHosted(kNs, Cause::kHeartbeatsStopped, {HostedAs(pod)}))),
              ElementsAre(pod.incarnation));
  EXPECT_THAT(Must(store().SuspectHosted(kNs, kStrong, {HostedAs(pod)})).events, IsEmpty());

  Pod suspect = Must(store().GetPod(kNs, "cart"));
  EXPECT_EQ(suspect.state, PodState::kSuspect);
  EXPECT_EQ(suspect.cause, Cause::kHeartbeatsStopped);
  EXPECT_FALSE(suspect.ended_at);
  auto events = EventsAfter(Seq{1});
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, EventKind::kPodSuspected);
  EXPECT_EQ(events[0].cause, Cause::kHeartbeatsStopped);
}

TEST_P(StoreTest, SuspectHosted_VoidForAnOldSession) {
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  Must(ResumeOne(store(), Returning(host, pod)));

  EXPECT_THAT(Must(store().SuspectHosted(kNs, kStrong, {HostedAs(pod)})).events, IsEmpty());

  EXPECT_EQ(StateOf(pod), PodState::kAlive);
}

TEST_P(StoreTest, Refute_MakesTheSuspectAlive) {
  Host host = AddHost();
  Pod suspect = Register(host, "cart");
  Pod alive = Register(host, "till");
  Pod moved = Register(host, "shelf");
  Must(store().SuspectHosted(kNs, kStrong, {HostedAs(suspect)}));
  Pod resumed = Must(ResumeOne(store(), Returning(host, moved)));
  Must(store().SuspectHosted(kNs, kStrong, {HostedAs(resumed)}));
  Seq head = Head();

  EXPECT_THAT(Must(store().Refute(kNs, {HostedAs(suspect), HostedAs(alive), HostedAs(moved)})),
              ElementsAre(HostedAs(suspect), HostedAs(alive)));

  Pod refuted = Must(store().GetPod(kNs, "cart"));
  EXPECT_EQ(refuted.state, PodState::kAlive);
  EXPECT_EQ(refuted.cause, Cause::kNone);
  EXPECT_EQ(StateOf(moved), PodState::kSuspect);
  EXPECT_THAT(KindsAfter(head), ElementsAre(EventKind::kPodRefuted));
}

TEST_P(StoreTest, Refute_NotTheDead) {
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  Kill(pod);
  EXPECT_THAT(Must(store().Refute(kNs, {HostedAs(pod)})), IsEmpty());
  EXPECT_EQ(StateOf(pod), PodState::kDead);
}

TEST_P(StoreTest, DeclareHosted_OneDeathOneEvent) {  // P2
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  StartWork(pod, "a");
  Seq head = Head();

  auto written = Must(store().DeclareHosted(kNs, Cause::kProcessExited, {HostedAs(pod)}));
  EXPECT_THAT(Must(store().DeclareHosted(kNs, kStrong, {HostedAs(pod)})).events, IsEmpty());

  Pod dead = Must(store().GetPod(kNs, "cart"));
  EXPECT_EQ(dead.state, PodState::kDead);
  EXPECT_EQ(dead.cause, Cause::kProcessExited);
  EXPECT_TRUE(dead.ended_at);
  auto events = EventsAfter(head);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, EventKind::kPodDied);
  EXPECT_EQ(events[0].incarnation, pod.incarnation);
  EXPECT_EQ(events[0].pod_name, "cart");
  EXPECT_EQ(events[0].cause, Cause::kProcessExited);
  EXPECT_EQ(events[0].orphans, 1U);
  EXPECT_EQ(written.events, events);
}

TEST_P(StoreTest, DeclareHosted_ThoughItsLockIsHeld) {  // P1
  Host host = AddHost();
  Pod alive = Register(host, "cart");
  Pod suspect = Register(host, "till");
  Must(store().SuspectHosted(kNs, kStrong, {HostedAs(suspect)}));

  EXPECT_THAT(
      About(Must(store().DeclareHosted(kNs, kStrong, {HostedAs(alive), HostedAs(suspect)}))),
      UnorderedElementsAre(alive.incarnation, suspect.incarnation));
}

TEST_P(StoreTest, DeclareHosted_VoidForAnOldSession) {  // P1
  Host host = AddHost();
  Host other = AddHost();
  Pod pod = Register(host, "cart");
  Pod resumed = Must(ResumeOne(store(), Returning(other, pod)));
  Seq head = Head();

  EXPECT_THAT(Must(store().DeclareHosted(kNs, kStrong, {HostedAs(pod)})).events, IsEmpty());

  EXPECT_EQ(StateOf(pod), PodState::kAlive);
  EXPECT_EQ(Head(), head);
  EXPECT_THAT(About(Must(store().DeclareHosted(kNs, kStrong, {HostedAs(resumed)}))),
              ElementsAre(resumed.incarnation));
}

TEST_P(StoreTest, DeclareHosted_ManyAreOneTransaction) {  // P3
  Host host = AddHost();
  std::vector<HostedPod> pods;
  for (int i = 0; i < 20; ++i) {
    Pod pod = Register(host, "cart-" + std::to_string(i));
    StartWork(pod, pod.name);
    pods.push_back(HostedAs(pod));
  }
  const Position head = Must(store().ReadBounds({kNs}))[0].head;

  auto written = Must(store().DeclareHosted(kNs, kStrong, pods));

  auto events = EventsAfter(head.seq);
  EXPECT_EQ(written.events, events);
  EXPECT_EQ(written.before, head);
  ASSERT_EQ(events.size(), pods.size());
  for (const Event& event : events) {
    EXPECT_EQ(event.transaction_end, events.back().seq);
    EXPECT_EQ(event.orphans, 1U);
  }
}

TEST_P(StoreTest, Declare_OnlyInItsNamespace) {
  Host host = AddHost();
  Pod pod = RegisterFree(host, "cart");
  SuspicionNumber suspicion = SuspectFree(host, pod);

  EXPECT_THAT(Must(store().DeclareHosted("other", kStrong, {HostedAs(pod)})).events, IsEmpty());
  EXPECT_THAT(Must(store().DeclareFree(host.observer(), "other", {{HostedAs(pod), suspicion}})),
              IsEmpty());
  EXPECT_EQ(StateOf(pod), PodState::kSuspect);
}

}  // namespace
}  // namespace vigil
