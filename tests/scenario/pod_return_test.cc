// A pod that is started again under its own name.
#include <csignal>

#include "scenario.h"

namespace vigil {
namespace {

using client::EventKind;

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
  const auto died = ExpectEvent("died", Of(EventKind::kPodDied, predecessor));
  const auto born = ExpectEvent("registered", Of(EventKind::kPodRegistered, successor));
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

}  // namespace
}  // namespace vigil
