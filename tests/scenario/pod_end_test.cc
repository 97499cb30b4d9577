// How the life of one pod ends, and what that means for its work.
#include <csignal>

#include "measured.h"
#include "scenario.h"

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AnyOf;

// L of the pods whose bound is checked, and what the design adds to it: the clocks' rates (1 %) and
// half a second for the verdict to be made and heard.
constexpr Duration kLease = seconds(2);
constexpr Duration kLongestStrictDeath = kLease + kLease / 100 + milliseconds(500);
// FAST: strong evidence is a verdict at once; even weak evidence has only this grace.
constexpr auto kFastGrace = seconds(3);

// P2, P3, P5, P6
TEST_F(Scenario, FastPodKilled_OneSurvivorGoesOnWithItsWork) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ReportingProcess& first = Run({.pod = "first", .work = "item", .command = Counting()});
  const auto incarnation = ExpectRegistered(first);
  const uint64_t fence = Expect(first, "started").Number("fence");
  const pid_t command = ExpectRunning(first);
  ReportingProcess& second = Run({.pod = "second", .work = "item", .command = Counting()});
  ReportingProcess& third = Run({.pod = "third", .work = "item", .command = Counting()});
  Expect(second, "standing_by");
  Expect(third, "standing_by");

  const Instant killed = Now();
  first.process().Signal(SIGKILL);

  const auto died = ExpectEvent("first died", Of(client::EventKind::kPodDied, "first"));
  EXPECT_EQ(died.event.incarnation, incarnation);
  EXPECT_EQ(died.event.cause, client::Cause::kStreamEnded);
  EXPECT_EQ(died.event.orphans, 1U);
  EXPECT_LE(died.at - killed, kFastGrace);
  const auto claimed = ExpectEvent("the item was claimed", Claimed("item"));
  EXPECT_GT(claimed.event.seq, died.event.seq);
  EXPECT_EQ(claimed.event.previous_owner, incarnation);
  EXPECT_EQ(claimed.event.fence.value(), fence + 1);
  EXPECT_THAT(claimed.event.pod_name, AnyOf("second", "third"));
  EXPECT_TRUE(AwaitGone(command, kPatience));

  const bool second_won = claimed.event.pod_name == "second";
  ReportingProcess& winner = second_won ? second : third;
  ReportingProcess& loser = second_won ? third : second;
  EXPECT_EQ(Expect(winner, "claimed").Number("fence"), fence + 1);
  ExpectCounting(winner, "item", fence + 1);
  Expect(loser, "standing_by",
         [&](const Report& report) { return report.Number("fence") == fence + 1; });
  EXPECT_EQ(log().Count(Claimed("item")), 1U);
  EXPECT_EQ(log().Count(Of(client::EventKind::kPodDied)), 1U);
}

// P2, P3, P7
TEST_F(Scenario, StrictPodKilled_DiesWhenItsLeaseHasEndedAndSoonAfter) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ReportingProcess& survivor = Play({.name = "survivor", .claims = true});
  Expect(survivor, "ready");
  struct Doomed {
    std::string name;
    ReportingProcess* process = nullptr;
    Instant killed{};
  };
  std::vector<Doomed> doomed(FullOr(20, 4));
  for (size_t i = 0; i < doomed.size(); ++i) {
    doomed[i].name = "strict-" + std::to_string(i);
    doomed[i].process = &Play({.name = doomed[i].name,
                               .strict = true,
                               .lease = kLease,
                               .items = 1,
                               .keys = doomed[i].name + "-"});
    Expect(*doomed[i].process, "ready");
  }

  for (Doomed& pod : doomed) {
    SCOPED_TRACE(pod.name);
    pod.killed = Now();
    pod.process->process().Signal(SIGKILL);
    const auto suspected = ExpectEvent("suspected", Of(client::EventKind::kPodSuspected, pod.name));
    ExpectWithin("SUSPECT", suspected.at - pod.killed, milliseconds(100));
  }

  for (const Doomed& pod : doomed) {
    SCOPED_TRACE(pod.name);
    const auto died = ExpectEvent("died", Of(client::EventKind::kPodDied, pod.name));
    EXPECT_EQ(died.event.cause, client::Cause::kStreamEnded);
    const auto leases = pod.process->Reports("lease");
    ASSERT_FALSE(leases.empty());
    EXPECT_GE(died.at, leases.back().At("until_ns"));
    ExpectWithin("DEAD", died.at - pod.killed, kLongestStrictDeath);
    const Report claimed = Expect(survivor, "claimed", [&](const Report& report) {
      return report.Text("key") == pod.name + "-00";
    });
    EXPECT_EQ(claimed.Number("fence"), 2U);
    ExpectWithin("its work is claimed", claimed.At() - pod.killed, kLongestStrictDeath);
  }
}

// P5, P7: a process that overran its lease finds out at its first look, and the fence refuses what
// it writes without looking.
TEST_F(Scenario, StrictPodFrozen_IsLostAtItsFirstLookAndItsLateWritesAreFenced) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ReportingProcess& survivor = Play({.name = "survivor", .claims = true});
  Expect(survivor, "ready");
  ReportingProcess& pod = Play({.name = "frozen", .strict = true, .lease = kLease, .items = 2});
  Expect(pod, "ready");

  const Instant frozen = Now();
  pod.process().Signal(SIGSTOP);
  const auto died = ExpectEvent("frozen died", Of(client::EventKind::kPodDied, "frozen"));
  ExpectWithin("DEAD", died.at - frozen, kLongestStrictDeath);
  EXPECT_EQ(died.event.cause, client::Cause::kHeartbeatsStopped);
  const Report claimed = Expect(survivor, "claimed");
  ExpectWithin("its work is claimed", claimed.At() - frozen, kLongestStrictDeath);
  Expect(survivor, "claimed",
         [&](const Report& report) { return report.Text("key") != claimed.Text("key"); });
  // Until twice its lease is over, nothing else happens to it.
  EXPECT_FALSE(log().Await(Of(client::EventKind::kPodRefuted), frozen + 2 * kLease - Now()));

  const size_t leases = pod.Reports("lease").size();
  const Instant woken = Now();
  pod.process().Signal(SIGCONT);

  const Report lost = Expect(pod, "lost");
  ExpectWithin("LOST after it woke", lost.At() - woken, milliseconds(500));
  // Not even one look between the two found a lease.
  EXPECT_EQ(pod.Reports("lease").size(), leases);
  for (const char* key : {"item-00", "item-01"}) {
    const Report refused =
        Expect(pod, "refused", [&](const Report& report) { return report.Text("key") == key; });
    EXPECT_EQ(refused.Text("reason"), "FENCED");
  }
  EXPECT_TRUE(pod.Reports("written").empty());
}

// P7: the guardian and its command are stopped both, as a machine that is suspended stops them.
TEST_F(Scenario, RunFrozenWithItsCommand_TheCommandIsGoneBeforeItsDeathIsVisible) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ReportingProcess& pod = Run(
      {.pod = "frozen", .work = "item", .profile = "strict", .lease = "2s", .command = Counting()});
  const pid_t command = ExpectRunning(pod);

  const Instant frozen = Now();
  pod.process().Signal(SIGSTOP);
  kill(-command, SIGSTOP);

  EXPECT_TRUE(AwaitGone(command, kPatience));
  ExpectWithin("its command is gone", Now() - frozen, kLease);
  const auto died = ExpectEvent("frozen died", Of(client::EventKind::kPodDied, "frozen"));
  ExpectWithin("DEAD", died.at - frozen, kLongestStrictDeath);
  EXPECT_FALSE(log().Await(Of(client::EventKind::kPodRefuted), frozen + 2 * kLease - Now()));
  pod.process().Signal(SIGCONT);
  Expect(pod, "lost");
  EXPECT_EQ(pod.process().AwaitEnd(kPatience), 120);
  EXPECT_EQ(kill(-command, 0), -1);  // nobody is left in its group
}

// P7: what cannot run cannot stop its work, so the watcher does.
TEST_F(Scenario, StrictPodFrozen_ItsCommandIsGoneBeforeItsDeathIsVisible) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ReportingProcess& pod = Run(
      {.pod = "frozen", .work = "item", .profile = "strict", .lease = "2s", .command = Counting()});
  const pid_t command = ExpectRunning(pod);

  const Instant frozen = Now();
  pod.process().Signal(SIGSTOP);

  const auto died = ExpectEvent("frozen died", Of(client::EventKind::kPodDied, "frozen"));
  EXPECT_TRUE(AwaitGone(command, Duration::zero()));
  ExpectWithin("DEAD", died.at - frozen, kLongestStrictDeath);
  EXPECT_EQ(died.event.cause, client::Cause::kHeartbeatsStopped);

  pod.process().Signal(SIGCONT);
  Expect(pod, "lost");
  EXPECT_EQ(pod.process().AwaitEnd(kPatience), 120);
}

// P5
TEST_F(Scenario, PodTerminated_LeavesWhenItsCommandHasStopped) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  const std::vector<std::string> slow_to_stop = {
      "/bin/sh", "-c", "trap 'sleep 0.3; echo stopped; exit 0' TERM; while :; do sleep 0.05; done"};
  ReportingProcess& first =
      Run({.pod = "first", .work = "item", .profile = "strict", .command = slow_to_stop});
  const pid_t command = ExpectRunning(first);
  ReportingProcess& second = Run({.pod = "second", .work = "item", .command = Counting()});
  Expect(second, "standing_by");

  first.process().Signal(SIGTERM);

  const auto released = ExpectEvent("released", Of(client::EventKind::kWorkReleased, "first"));
  EXPECT_TRUE(AwaitGone(command, Duration::zero()));
  const auto left = ExpectEvent("first left", Of(client::EventKind::kPodLeft, "first"));
  EXPECT_GT(left.event.seq, released.event.seq);
  EXPECT_EQ(first.process().AwaitEnd(kPatience), 128 + SIGTERM);
  const Report exited = Expect(first, "exited");
  EXPECT_EQ(exited.Number("code"), 0U);  // it stopped by itself, and was not killed

  ExpectEvent("the item was claimed", Claimed("item"));
  EXPECT_GT(Expect(second, "claimed").At(), exited.At());
  ExpectCounting(second, "item", Item("item").fence.value());
  EXPECT_EQ(log().Count(Of(client::EventKind::kPodDied)), 0U);
}

TEST_F(Scenario, RunKilled_TakesItsCommandAndItsChildrenDown) {
  ASSERT_NO_FATAL_FAILURE(StartCluster({.coordinators = 1}));
  ReportingProcess& pod = Run({.pod = "pod", .work = "item", .command = WithAChild()});
  const pid_t command = ExpectRunning(pod);
  const pid_t grandchild = ExpectChildOfCommand(pod);
  ASSERT_NE(grandchild, 0);

  pod.process().Signal(SIGKILL);

  EXPECT_TRUE(AwaitGone(command, kPatience));
  EXPECT_TRUE(AwaitGone(grandchild, kPatience));
}

}  // namespace
}  // namespace vigil
