// Whoever follows the event log sees all of it.
#include <csignal>

#include "scenario.h"

namespace vigil {
namespace {

using ::testing::IsEmpty;

// P4, P8
TEST_F(Scenario, EverySubscriber_SeesTheSameEventsInOrder) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  std::vector<client::Client> clients;
  std::vector<std::unique_ptr<EventRecorder>> followers;
  for (int place = 0; place < cluster().size(); ++place) {
    auto connected = cluster().Connect(place);
    ASSERT_TRUE(connected);
    followers.push_back(std::make_unique<EventRecorder>(*connected, "default"));
  }
  ReportingProcess& killed =
      Run({.pod = "killed", .work = "item", .command = Counting(), .first = 1});
  Expect(killed, "running");
  ReportingProcess& survivor =
      Run({.pod = "survivor", .work = "item", .command = Counting(), .first = 0});
  Expect(survivor, "standing_by");
  // One that knows the past as a snapshot only.
  EventRecorder late(client(), "default", client::FromNow{});
  ASSERT_TRUE(late.AwaitStart(kPatience));
  EXPECT_EQ(late.Snapshot().size(), 2U);

  killed.process().Signal(SIGKILL);
  ExpectEvent("the item was claimed", Claimed("item"));
  cluster().coordinator(0).Signal(SIGKILL);  // with a pod, and with subscribers
  ExpectEvent("survivor moved", Of(client::EventKind::kPodMoved, "survivor"));
  survivor.process().Signal(SIGTERM);
  const auto last = ExpectEvent("survivor left", Of(client::EventKind::kPodLeft, "survivor"));

  for (const auto& follower : followers) {
    ASSERT_TRUE(follower->AwaitSeq(last.event.seq, kPatience));
    EXPECT_THAT(history::Validate(follower->History(), Truth()), IsEmpty());
  }
  ASSERT_TRUE(late.AwaitSeq(last.event.seq, kPatience));
  EXPECT_THAT(history::Validate(late.History(), Truth()), IsEmpty());
  EXPECT_EQ(late.Count(Of(client::EventKind::kPodRegistered)), 0U);
  EXPECT_EQ(late.Count(Of(client::EventKind::kPodDied, "killed")), 1U);
}

}  // namespace
}  // namespace vigil
