// A pod that is started again under its own name.
#include <csignal>

#include "measured.h"
#include "scenario.h"

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// STRICT with the longest lease: without a key its successor would wait for a minute.
RunOptions NeverTwice(int first) {
  return {.pod = "pod",
          .work = "item",
          .profile = "strict",
          .lease = "60s",
          .command = Counting(),
          .first = first,
          .environment = {{"VIGIL_SUPERSEDE_KEY", "the-key-of-this-pod"}}};
}

// P2
TEST_F(Scenario, PodRestarted_IsANewIncarnationThatFindsItsPredecessorsItems) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ReportingProcess& first = Play({.name = "pod", .items = 3});
  Expect(first, "ready");
  const auto predecessor = ExpectRegistered(first);

  first.process().Signal(SIGKILL);
  ReportingProcess& second = Play({.name = "pod"});

  const Report registered = Expect(second, "registered");
  EXPECT_GT(registered.Number("incarnation"), predecessor.value());
  const Json expected = {
      {{"key", "item-00"}, {"owner", predecessor.value()}, {"fence", 1}},
      {{"key", "item-01"}, {"owner", predecessor.value()}, {"fence", 1}},
      {{"key", "item-02"}, {"owner", predecessor.value()}, {"fence", 1}},
  };
  EXPECT_EQ(registered.fields.value("predecessors", Json()), expected);
  // The end of the one comes before the beginning of the other.
  const client::Incarnation successor(registered.Number("incarnation"));
  const auto died = ExpectEvent("died", Of(client::EventKind::kPodDied, predecessor));
  const auto born = ExpectEvent("registered", Of(client::EventKind::kPodRegistered, successor));
  EXPECT_LT(died.event.seq, born.event.seq);
}

// P5: nobody else wants the item, so it goes on under the same name and with a higher fence.
TEST_F(Scenario, RunRestarted_GoesOnWithItsOwnItem) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ReportingProcess& first = Run({.pod = "pod", .work = "item", .command = Counting()});
  const auto predecessor = ExpectRegistered(first);
  Expect(first, "running");

  first.process().Signal(SIGKILL);
  ReportingProcess& second = Run({.pod = "pod", .work = "item", .command = Counting()});

  const auto successor = ExpectRegistered(second);
  EXPECT_GT(successor, predecessor);
  EXPECT_EQ(Expect(second, "claimed").Number("previous_owner"), predecessor.value());
  ExpectCounting(second, "item", 2);
  EXPECT_EQ(Item("item").owner, successor);
}

// The name never runs twice: nobody waits for the end of the lease.
TEST_F(Scenario, NeverTwiceRestarted_HasItsNameAndItsItemAtOnce) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ReportingProcess& first = Run(NeverTwice(0));
  const auto predecessor = ExpectRegistered(first);
  Expect(first, "running");

  const Instant killed = Now();
  first.process().Signal(SIGKILL);
  ReportingProcess& second = Run(NeverTwice(1));

  const auto successor = ExpectRegistered(second);
  ExpectCounting(second, "item", 2);
  const auto died = ExpectEvent("died", Of(client::EventKind::kPodDied, predecessor));
  EXPECT_EQ(died.event.cause, client::Cause::kSuperseded);
  EXPECT_EQ(died.event.orphans, 1U);
  const auto born = ExpectEvent("registered", Of(client::EventKind::kPodRegistered, successor));
  EXPECT_EQ(born.event.seq.value(), died.event.seq.value() + 1);
  // A process starts in that time, too.
  ExpectWithin("SIGKILL to the successor's registration, lease of 60 s", born.at - killed,
               seconds(5));
}

// The exception to P1 and P7: the incumbent lives, and learns of it from its coordinator.
TEST_F(Scenario, NeverTwiceRunTwice_TheOlderOneIsLostAtOnce) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ReportingProcess& first = Run(NeverTwice(0));
  const auto predecessor = ExpectRegistered(first);
  Expect(first, "running");

  ReportingProcess& second = Run(NeverTwice(1));

  const Report registered = Expect(second, "registered");
  const Report lost = Expect(first, "lost");
  ExpectWithin("the successor's registration to LOST of the older one", lost.At() - registered.At(),
               milliseconds(1500));
  EXPECT_EQ(first.process().AwaitEnd(kPatience), 120);
  ExpectCounting(second, "item", 2);
  EXPECT_EQ(Living(), std::vector{"pod " + std::to_string(registered.Number("incarnation"))});
  EXPECT_EQ(log().Count(Of(client::EventKind::kPodDied, predecessor)), 1U);
}

}  // namespace
}  // namespace vigil
