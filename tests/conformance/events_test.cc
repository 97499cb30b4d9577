// What an event says beside what happened to whom.
#include <set>

#include "conformance/store_test.h"

namespace vigil {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr auto kStrong = Cause::kStreamEnded;

class EventsTest : public StoreTest {
 protected:
  Pod RegisterWithKey(Host& host, const std::string& name) {
    NewPod pod = Newcomer(host, name);
    pod.labels = {{"tier", name}, {"quoted \"", "\\ü{}"}};
    pod.supersede_key = "key of " + name;
    return RegisterAs(pod).pod;
  }

  Event Last() { return EventsAfter(Seq{Head().value - 1}).back(); }
};

VIGIL_FOR_EVERY_STORE(EventsTest);

// Of every kind.
TEST_P(EventsTest, Events_CarryTheLabelsOfTheirPod) {
  Host host = AddHost();
  Host other = AddHost();
  const Pod first = RegisterWithKey(host, "first");
  const Pod second = RegisterWithKey(host, "second");
  Must(store().SuspectHosted(kNs, kStrong, {HostedAs(first)}));
  Must(store().Refute(kNs, {HostedAs(first)}));
  Must(store().SuspectHosted(kNs, kStrong, {HostedAs(first)}));
  Pod moved = Must(ResumeOne(store(), Returning(other, first)));  // REFUTED and MOVED
  const WorkItem released = Must(store().ReleaseWork(HolderOf(StartWork(moved, "released"))));
  Must(store().StartWork(NewItem("released", second.incarnation)));
  StartWork(moved, "orphan");
  StartWork(moved, "another orphan");
  Must(store().SuspectHosted(kNs, kStrong, {HostedAs(moved)}));
  ReleaseSession(other, moved.session);
  const SuspicionNumber suspicion = SuspectFree(host, moved);
  Must(store().DeclareFree(host.observer(), kNs, {{HostedAs(moved), suspicion}}));
  const WorkItem claimed = Must(Claim(second, Must(store().GetWork(kNs, "orphan")))).item;
  Must(store().ClaimOrphans(AnyOrphans(second.incarnation, 10)));
  Must(store().CompleteWork(HolderOf(claimed), ""));
  for (int i = 0; i < 2; ++i) {
    Must(store().FailWork(HolderOf(StartWork(second, "poison", Competing(1))), "it is too large"));
  }
  NewPod successor = Newcomer(host, "second");
  successor.supersede_key = "key of second";
  successor.labels = second.labels;
  const Pod third = Must(store().Supersede(successor, second.incarnation)).value().pod;
  Must(store().Leave(kNs, HostedAs(third)));

  const std::vector<Event> log = EventsAfter({});

  std::set<EventKind> kinds;
  for (const Event& event : log) {
    kinds.insert(event.kind);
    EXPECT_EQ(event.pod_labels, event.pod_name == "first" ? first.labels : second.labels)
        << "event " << event.seq.value;
  }
  EXPECT_THAT(kinds, SizeIs(std::size(kAllEventKinds))) << "every kind there is";
}

// A verdict is served as it was committed: it says what the log says.
TEST_P(EventsTest, Events_WrittenAreThoseOfTheLog) {
  Host host = AddHost();
  std::vector<HostedPod> pods;
  for (int i = 0; i < 3; ++i) pods.push_back(HostedAs(RegisterWithKey(host, Numbered("c", i))));
  for (int i = 0; i < 2; ++i) {
    const Seq head = Head();
    const auto written = i == 0 ? Must(store().SuspectHosted(kNs, kStrong, pods))
                                : Must(store().DeclareHosted(kNs, kStrong, pods));
    EXPECT_EQ(written.events, EventsAfter(head));
    EXPECT_THAT(written.events, SizeIs(3));
    EXPECT_THAT(written.events, Each(Field(&Event::pod_labels, SizeIs(2))));
  }
}

TEST_P(EventsTest, Events_OfAPodWithoutLabelsCarryNone) {
  Host host = AddHost();
  Kill(Register(host, "cart"));
  EXPECT_THAT(EventsAfter({}), Each(Field(&Event::pod_labels, IsEmpty())));
}

TEST_P(EventsTest, Detected_OfADeathWhenItsSuspicionBegan) {
  Host host = AddHost();
  const Pod strong = Register(host, "strong");
  const Pod weak = RegisterFree(host, "weak");
  Must(store().SuspectHosted(kNs, kStrong, {HostedAs(strong)}));
  const Event suspected = Last();
  // The evidence that a verdict names is the latest.
  Must(store().SuspectHosted(kNs, kStrong, {HostedAs(weak)}));
  const SuspicionNumber suspicion = SuspectFree(host, weak);
  const Event found_free = Last();
  Must(store().DeclareHosted(kNs, kStrong, {HostedAs(strong)}));
  const Event dead = Last();
  Must(store().DeclareFree(host.observer(), kNs, {{HostedAs(weak), suspicion}}));
  const Event weakly_dead = Last();

  for (const Event& event : {suspected, found_free}) {
    EXPECT_TRUE(event.detected_at);
    EXPECT_LE(event.detected_at, event.occurred_at);
  }
  EXPECT_GT(found_free.detected_at, suspected.detected_at);
  EXPECT_EQ(dead.detected_at, suspected.detected_at);
  EXPECT_LT(dead.detected_at, dead.occurred_at);
  EXPECT_EQ(weakly_dead.detected_at, found_free.detected_at);
}

// Of what was refuted nothing is left.
TEST_P(EventsTest, Detected_OfADeathWithoutASuspicionWhenItWasDeclared) {
  Host host = AddHost();
  const Pod certain = Register(host, "certain");
  const Pod refuted = Register(host, "refuted");
  Pod resumed = Register(host, "resumed");
  const std::vector<HostedPod> suspects{HostedAs(refuted), HostedAs(resumed)};
  Must(store().SuspectHosted(kNs, kStrong, suspects));
  Must(store().Refute(kNs, {HostedAs(refuted)}));
  resumed = Must(ResumeOne(store(), Returning(host, resumed)));
  const Event before = Last();
  for (const Pod& pod : {certain, refuted, resumed}) {
    Must(store().DeclareHosted(kNs, Cause::kProcessExited, {HostedAs(pod)}));
    EXPECT_GT(Last().detected_at, before.occurred_at) << pod.name;
    EXPECT_LE(Last().detected_at, Last().occurred_at) << pod.name;
  }
}

TEST_P(EventsTest, Detected_OfASupersededPodWhenItWasSuperseded) {
  Host host = AddHost();
  const Pod incumbent = RegisterWithKey(host, "cart");
  Must(store().SuspectHosted(kNs, kStrong, {HostedAs(incumbent)}));
  const Event suspected = Last();
  NewPod successor = Newcomer(host, "cart");
  successor.supersede_key = "key of cart";
  Must(store().Supersede(successor, incumbent.incarnation));
  const auto events = EventsAfter(suspected.seq);
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_GT(events[0].detected_at, suspected.occurred_at) << "no suspicion led to it";
  EXPECT_FALSE(events[1].detected_at);
}

TEST_P(EventsTest, Detected_IsNothingOfOtherEvents) {
  Host host = AddHost();
  Host other = AddHost();
  Pod pod = Register(host, "cart");
  Must(store().SuspectHosted(kNs, kStrong, {HostedAs(pod)}));
  pod = Must(ResumeOne(store(), Returning(other, pod)));
  Must(store().ReleaseWork(HolderOf(StartWork(pod, "a"))));
  Must(store().Leave(kNs, HostedAs(pod)));
  auto events = EventsAfter({});
  std::erase_if(events, [](const Event& event) { return event.kind == EventKind::kPodSuspected; });
  EXPECT_THAT(events, AllOf(SizeIs(5), Each(Field(&Event::detected_at, WallMicros{}))));
}

}  // namespace
}  // namespace vigil
