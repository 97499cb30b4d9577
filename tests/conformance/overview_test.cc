// What an operator looks at.
#include "conformance/quarantine_test.h"

namespace vigil {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using OverviewTest = QuarantineTest;

std::vector<std::string> NamesOf(const std::vector<Pod>& pods) {
  std::vector<std::string> names;
  for (const Pod& pod : pods) names.push_back(pod.name);
  return names;
}

TEST_P(OverviewTest, Overview_OfAnUnknownNamespaceShowsTheCoordinatorsAlone) {
  Host host = AddHost();
  const Overview overview = Must(store().ReadOverview("nowhere", {}));
  EXPECT_EQ(overview.head, Position{});
  EXPECT_EQ(overview.alive + overview.suspect, 0U);
  EXPECT_THAT(overview.pods, IsEmpty());
  EXPECT_EQ(overview.deaths, Count{});
  EXPECT_FALSE(overview.detection_p50 || overview.detection_p99);
  EXPECT_EQ(overview.orphans, Count{});
  EXPECT_THAT(overview.events, IsEmpty());
  ASSERT_EQ(overview.coordinators.size(), 1U);
  EXPECT_EQ(overview.coordinators[0].number, host.number);
}

TEST_P(OverviewTest, Overview_SuspectPodsComeFirstAndTheHeadIsThatOfTheLog) {
  Host host = AddHost();
  RegisterLabelled(host, "a", {{"zone", "eu"}});
  Pod suspect = Register(host, "b");
  Register(host, "c");
  Kill(Register(host, "d"));
  Register(host, "elsewhere", "other");
  Must(store().SuspectHosted(kNs, Cause::kStreamEnded, {HostedAs(suspect)}));

  const Overview overview = Must(store().ReadOverview(kNs, {}));

  EXPECT_EQ(overview.alive, 2U);
  EXPECT_EQ(overview.suspect, 1U);
  EXPECT_THAT(NamesOf(overview.pods), ElementsAre("b", "a", "c"));
  EXPECT_EQ(overview.pods[0].state, PodState::kSuspect);
  EXPECT_EQ(overview.pods[0].cause, Cause::kStreamEnded);
  EXPECT_EQ(overview.pods[1].labels, Labels{});
  EXPECT_EQ(overview.pods[1].coordinator, host.number);
  EXPECT_EQ(overview.pods[1].profile, Profile::kStrict);
  EXPECT_EQ(overview.head, EventsAfter({}).back().position());
}

TEST_P(OverviewTest, Overview_DeathsWithHowLongTheirDetectionTook) {
  Host host = AddHost();
  Pod suspected = Register(host, "suspected");
  Must(store().SuspectHosted(kNs, Cause::kHeartbeatsStopped, {HostedAs(suspected)}));
  Register(host, "something happens meanwhile");
  Kill(suspected);
  Kill(Register(host, "at once"));
  Kill(Register(host, "at once, too"));
  Pod left = Register(host, "left");
  Must(store().Leave(kNs, HostedAs(left)));

  const Overview overview = Must(store().ReadOverview(kNs, {}));

  EXPECT_EQ(overview.deaths, (Count{.number = 3}));
  ASSERT_TRUE(overview.detection_p50 && overview.detection_p99);
  EXPECT_EQ(*overview.detection_p50, Duration::zero());
  EXPECT_GT(*overview.detection_p99, Duration::zero());
}

TEST_P(OverviewTest, Overview_SupersededOnesWereNotDetected) {
  Host host = AddHost();
  NewPod incumbent = Newcomer(host, "one");
  incumbent.supersede_key = "a key that both know";
  const Pod first = RegisterAs(incumbent).pod;
  NewPod newcomer = Newcomer(host, "one");
  newcomer.supersede_key = incumbent.supersede_key;
  ASSERT_TRUE(Must(store().Supersede(newcomer, first.incarnation)));

  const Overview overview = Must(store().ReadOverview(kNs, {}));

  EXPECT_EQ(overview.deaths.number, 1U);
  EXPECT_FALSE(overview.detection_p50);
}

TEST_P(OverviewTest, Overview_OrphansUntilSomebodyHasThem) {
  Host host = AddHost();
  Pod owner = Register(host, "owner");
  Pod survivor = Register(host, "survivor");
  StartWork(owner, "a");
  StartWork(owner, "b", Assigned());
  StartWork(survivor, "c");
  EXPECT_EQ(Must(store().ReadOverview(kNs, {})).orphans, Count{});

  Kill(owner);
  const Overview after = Must(store().ReadOverview(kNs, {}));
  EXPECT_EQ(after.orphans, (Count{.number = 2}));
  EXPECT_TRUE(after.orphans_since);

  Must(Claim(survivor, Item("a")));
  const Overview claimed = Must(store().ReadOverview(kNs, {}));
  EXPECT_EQ(claimed.orphans, (Count{.number = 1}));
  EXPECT_EQ(claimed.orphans_since, after.orphans_since);
}

TEST_P(OverviewTest, Overview_QuarantinedItems) {
  Host host = AddHost();
  Quarantined(host, "poison");
  const Overview overview = Must(store().ReadOverview(kNs, {}));
  EXPECT_EQ(overview.quarantined, (Count{.number = 1}));
  EXPECT_EQ(overview.orphans, Count{});
}

TEST_P(OverviewTest, Overview_EventsAreDeathsAndWhatWasTakenFromTheDead) {
  Host host = AddHost();
  Pod owner = Register(host, "owner");
  Pod survivor = Register(host, "survivor");
  StartWork(owner, "a");
  const WorkItem released = StartWork(owner, "b");
  Must(store().ReleaseWork(HolderOf(released)));
  Must(Claim(survivor, Item("b")));
  Kill(owner);
  Must(Claim(survivor, Item("a")));

  const Overview overview = Must(store().ReadOverview(kNs, {}));

  ASSERT_EQ(overview.events.size(), 2U);
  EXPECT_EQ(overview.events[0].kind, EventKind::kPodDied);
  EXPECT_EQ(overview.events[0].orphans, 1U);
  EXPECT_EQ(overview.events[1].kind, EventKind::kWorkClaimed);
  EXPECT_EQ(overview.events[1].work_key, "a");
  EXPECT_EQ(overview.events[1].previous_owner, owner.incarnation);
  EXPECT_EQ(overview.events[1].seq, overview.head.seq);
}

TEST_P(OverviewTest, Overview_CoordinatorsThatLiveAndThoseThatEnded) {
  Host first = AddHost();
  Host second = AddHost();
  Host third = AddHost();
  Register(third, "a");
  Register(third, "b");
  Must(store().RemoveCoordinator(first.number));

  const Overview overview = Must(store().ReadOverview(kNs, {}));

  ASSERT_EQ(overview.coordinators.size(), 3U);
  EXPECT_EQ(overview.coordinators[0].number, second.number);
  EXPECT_EQ(overview.coordinators[0].address, "127.0.0.1:7400");
  EXPECT_TRUE(overview.coordinators[0].started_at);
  EXPECT_FALSE(overview.coordinators[0].ended_at);
  EXPECT_EQ(overview.coordinators[1].number, third.number);
  EXPECT_EQ(overview.coordinators[1].pods, 2U);
  EXPECT_EQ(overview.coordinators[2].number, first.number);
  EXPECT_EQ(overview.coordinators[2].state, CoordinatorState::kLeft);
  EXPECT_TRUE(overview.coordinators[2].ended_at);
}

TEST_P(OverviewTest, Overview_EveryPartEndsAtItsLimit) {  // P11
  Host host = AddHost();
  AddHost();
  AddHost();
  Pod owner = Register(host, "owner");
  for (int i = 0; i < 3; ++i) StartWork(owner, Numbered("item-", i));
  for (int i = 0; i < 4; ++i) Register(host, Numbered("living-", i));
  for (int i = 0; i < 3; ++i) Kill(Register(host, Numbered("dead-", i)));
  Kill(owner);

  const Overview overview = Must(store().ReadOverview(
      kNs, {.pods = 2, .ends = 2, .orphans = 2, .events_read = 4, .events = 1, .coordinators = 2}));

  EXPECT_EQ(overview.alive, 4U);
  EXPECT_THAT(NamesOf(overview.pods), ElementsAre("living-0", "living-1"));
  EXPECT_EQ(overview.deaths, (Count{.number = 2, .more = true}));
  EXPECT_EQ(overview.orphans, (Count{.number = 2, .more = true}));
  EXPECT_EQ(overview.coordinators.size(), 2U);
  ASSERT_EQ(overview.events.size(), 1U);
  EXPECT_EQ(overview.events[0].incarnation, owner.incarnation);
}

VIGIL_FOR_EVERY_STORE(OverviewTest);

}  // namespace
}  // namespace vigil
