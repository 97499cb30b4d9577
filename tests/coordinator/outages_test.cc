// What becomes of pods when their coordinator or the database fails, in simulated time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/simulated_cluster.h"
#include "core/errors.h"

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::Not;

constexpr Duration kLease = seconds(3);

class Outages : public testing::Test {
 protected:
  SimulatedCluster cluster_;
};

// P7, P9: a lock that is lost while the answer to the commit is on its way may be suspected; it
// does not count before that is refuted.
TEST_F(Outages, LockLost_BeforeItsPodIsHostedIsRefutedWhenItIs) {
  auto& host = cluster_.Add();
  cluster_.Add();
  host.lane.DelayAnswers(seconds(5));
  const auto pod = cluster_.Register(host, "a", Profile::kStrict);
  host.database.SetAway(true);
  cluster_.scheduler.Advance(seconds(2));
  EXPECT_EQ(cluster_.Look("a").state, PodState::kSuspect);

  host.database.SetAway(false);
  host.lane.DelayAnswers({});
  cluster_.scheduler.Advance(milliseconds(3500));
  EXPECT_TRUE(cluster_.Beat(host, pod));
  EXPECT_EQ(cluster_.Look("a").state, PodState::kAlive);
}

// P8, P11: however many pods are refuted at once, the part of the log that one transaction writes
// is bounded.
TEST_F(Outages, LocksOfManyLost_TheyAreRefutedInBoundedTransactions) {
  CoordinatorSettings settings;
  settings.timing.default_lease = seconds(60);
  settings.liveness_sessions = 1;
  SimulatedCluster cluster(settings);
  auto& host = cluster.Add();
  cluster.Add();
  constexpr int kPods = 300;
  for (int i = 0; i < kPods; ++i) {
    cluster.RegisterAndBeat(host, "p" + std::to_string(i), Profile::kStrict);
  }
  host.database.SetAway(true);
  cluster.scheduler.Advance(seconds(2));
  host.database.SetAway(false);
  cluster.scheduler.Advance(seconds(5));
  int refuted = 0;
  uint64_t end_before = 0;
  for (const Event& event : cluster.Log()) {
    if (event.kind == EventKind::kPodRefuted) ++refuted;
    if (event.seq != event.transaction_end) continue;
    EXPECT_LE(event.seq.value - end_before, kLargestVerdict);
    end_before = event.seq.value;
  }
  EXPECT_EQ(refuted, kPods);
}

// P9: its pods move, and nobody dies.
TEST_F(Outages, CoordinatorKilled_PodsThatMoveLive) {
  auto& doomed = cluster_.Add();
  auto& other = cluster_.Add();
  const auto pod = cluster_.Register(doomed, "a", Profile::kFast);
  cluster_.Kill(doomed);
  cluster_.scheduler.Advance(seconds(2));
  const auto resumed = cluster_.Resume(other, pod);
  ASSERT_NE(resumed->Last<ResumedAnswer>(), nullptr);
  cluster_.KeepAlive(other, {resumed}, seconds(60));
  EXPECT_THAT(cluster_.Kinds(IncarnationOf(pod)), Not(Contains(EventKind::kPodDied)));
}

// P2: once gone, each dies once, within the grace and what finding and judging take. P7: not sooner
// than the last lease that the lost coordinator may have granted.
TEST_F(Outages, CoordinatorKilledWithItsPods_EachDiesOnceAfterTheGrace) {
  auto& doomed = cluster_.Add();
  cluster_.Add();
  cluster_.Add();
  const auto strict = cluster_.Register(doomed, "strict", Profile::kStrict);
  const auto fast = cluster_.Register(doomed, "fast", Profile::kFast);
  const Timing timing;
  cluster_.Kill(doomed);
  cluster_.scheduler.Advance(timing.fast_grace);
  EXPECT_EQ(cluster_.Look("fast").state, PodState::kSuspect);
  cluster_.scheduler.Advance(3 * timing.probe_interval);
  EXPECT_EQ(cluster_.Look("fast").state, PodState::kDead);
  EXPECT_EQ(cluster_.Look("fast").cause, Cause::kLockFree);
  const Duration grace = GraceFor(Profile::kStrict, kLease, timing);
  cluster_.scheduler.Advance(grace - timing.fast_grace - 3 * timing.probe_interval);
  EXPECT_EQ(cluster_.Look("strict").state, PodState::kSuspect);
  cluster_.scheduler.Advance(3 * timing.probe_interval);
  EXPECT_EQ(cluster_.Look("strict").state, PodState::kDead);
  for (const char* name : {"strict", "fast"}) {
    const auto kinds = cluster_.Kinds(cluster_.Look(name).incarnation);
    EXPECT_EQ(std::count(kinds.begin(), kinds.end(), EventKind::kPodDied), 1) << name;
  }
}

// P2: each round of the prober has a verdict to carry out, which takes longer than the longest gap
// between two observations; what stands is not forgotten for that.
TEST_F(Outages, VerdictsTakeLong_TheOtherSuspicionsStand) {
  CoordinatorSettings settings;
  settings.mass_suspicion.pods = 100;
  SimulatedCluster cluster(settings);
  auto& host = cluster.Add();
  host.lane.DelayAnswers(milliseconds(1200));
  for (int i = 0; i < 30; ++i) {
    // The pod never speaks, so that its lock is let go after its lease.
    cluster.Register(host, std::to_string(i), Profile::kFast);
    cluster.scheduler.Advance(seconds(1));
  }
  EXPECT_EQ(cluster.Look("0").state, PodState::kDead);
}

// P9: all locks vanish at once, and are taken again.
TEST_F(Outages, DatabaseRestarted_NobodyDiesAndLeasesGoOn) {
  auto& one = cluster_.Add();
  auto& two = cluster_.Add();
  std::vector<PodHandle> pods;
  for (int i = 0; i < 20; ++i) {
    pods.push_back(cluster_.Register(i % 2 ? one : two, "p" + std::to_string(i),
                                     i % 3 ? Profile::kStrict : Profile::kFast));
  }
  for (int round = 0; round < 10; ++round) {
    cluster_.engine->Restart();
    for (int beat = 0; beat < 4; ++beat) {
      for (int i = 0; i < 20; ++i) {
        EXPECT_TRUE(cluster_.Beat(i % 2 ? one : two, pods[static_cast<size_t>(i)]));
      }
      cluster_.scheduler.Advance(seconds(1));
    }
  }
  for (const Event& event : cluster_.Log()) EXPECT_NE(event.kind, EventKind::kPodDied);
}

// P7: outside the trust window no lease is granted. P9: an outage that ends in time stops nobody.
TEST_F(Outages, DatabaseAway_LeasesUntilTheTrustWindowEnds) {
  auto& host = cluster_.Add();
  const auto pod = cluster_.Register(host, "a", Profile::kStrict);
  const Timing timing;
  host.database.SetAway(true);
  const Instant cut = cluster_.clock.Now();
  cluster_.KeepAlive(host, {pod}, timing.trust_window - 2 * timing.ping_interval);
  EXPECT_TRUE(cluster_.Beat(host, pod));
  cluster_.scheduler.Advance(cut + timing.trust_window - cluster_.clock.Now());
  EXPECT_FALSE(cluster_.Beat(host, pod));
  EXPECT_TRUE(pod->Last<HeartbeatAnswer>()->link_degraded);
  host.database.SetAway(false);
  cluster_.scheduler.Advance(milliseconds(2900));
  EXPECT_TRUE(cluster_.Beat(host, pod));
  EXPECT_EQ(cluster_.Look("a").state, PodState::kAlive);
}

// P9: what a coordinator says of its own link, so that pods move in time, and only to a better one.
TEST_F(Outages, DatabaseAway_TheLinkIsDegradedAndPodsFindABetterOne) {
  auto& host = cluster_.Add();
  auto& other = cluster_.Add();
  const auto pod = cluster_.RegisterAndBeat(host, "a", Profile::kStrict);
  const auto degraded = [&] {
    EXPECT_TRUE(cluster_.Beat(host, pod));
    return pod->Last<HeartbeatAnswer>()->link_degraded;
  };
  const auto welcome = [](auto& member) {
    return member.coordinator.conversations().WelcomesPods();
  };
  EXPECT_FALSE(degraded());
  EXPECT_TRUE(welcome(host));

  host.database.SetAway(true);
  const Duration ping = Timing().ping_interval;
  cluster_.KeepAlive(host, {pod}, 2 * ping);
  EXPECT_FALSE(welcome(host));
  EXPECT_FALSE(degraded());
  cluster_.KeepAlive(host, {pod}, 2 * ping);
  EXPECT_TRUE(degraded());
  EXPECT_EQ(cluster_.Register(host, "b", Profile::kStrict)->reason, reason::kCoordinatorUntrusted);
  EXPECT_EQ(cluster_.Resume(host, pod)->reason, reason::kCoordinatorUntrusted);
  EXPECT_TRUE(welcome(other));

  host.database.SetAway(false);
  cluster_.KeepAlive(host, {pod}, seconds(2));
  EXPECT_TRUE(welcome(host));
  EXPECT_FALSE(degraded());
}

// P10: what a coordinator did not hear while it was paused is no evidence.
TEST_F(Outages, CoordinatorPaused_SilenceIsNoEvidence) {
  auto& host = cluster_.Add();
  const auto pod = cluster_.RegisterAndBeat(host, "a", Profile::kFast);
  cluster_.scheduler.Freeze(seconds(4));
  cluster_.scheduler.Settle();
  EXPECT_EQ(cluster_.Look("a").state, PodState::kAlive);
  EXPECT_TRUE(cluster_.Beat(host, pod));
}

// P1, P10: pods give a host up that does not answer; the streams that they ended during its pause
// are no evidence, and they have a lease's time to resume.
TEST_F(Outages, CoordinatorPaused_StreamsThatEndedMeanwhileAreNoEvidence) {
  auto& host = cluster_.Add();
  const auto pod = cluster_.RegisterAndBeat(host, "a", Profile::kFast);
  cluster_.scheduler.Freeze(seconds(2));
  cluster_.Break(host, pod);
  cluster_.scheduler.Advance(milliseconds(500));
  EXPECT_EQ(cluster_.Look("a").state, PodState::kAlive);
  const auto resumed = cluster_.Resume(host, pod);
  ASSERT_NE(resumed->Last<ResumedAnswer>(), nullptr);
  cluster_.KeepAlive(host, {resumed}, seconds(10));
  // Long after the pause the end of a stream is evidence again.
  cluster_.Break(host, resumed);
  EXPECT_EQ(cluster_.Look("a").state, PodState::kDead);
}

// P9: the stream ended while the coordinator was trusted; its trust ended before the database was
// back, so what it saw is weak evidence. The suspicion fails late, before the locks are taken again
// or after it.
TEST_F(Outages, TrustEnded_EvidenceFromBeforeItIsWeak) {
  for (const Duration late : {milliseconds(1), milliseconds(2500)}) {
    SimulatedCluster cluster;
    auto& host = cluster.Add();
    auto& other = cluster.Add();
    const auto pod = cluster.RegisterAndBeat(host, "a", Profile::kStrict);
    host.database.SetAway(true);
    other.database.SetAway(true);
    const Timing timing;
    cluster.KeepAlive(host, {pod}, timing.trust_window - milliseconds(700));
    ASSERT_TRUE(cluster.Beat(host, pod));
    host.lane.StallNext(seconds(4));
    cluster.Break(host, pod);
    cluster.scheduler.Advance(seconds(4) - milliseconds(1));
    host.lane.DelayAnswers(late);
    cluster.scheduler.Advance(milliseconds(1));
    host.lane.DelayAnswers({});
    host.database.SetAway(false);
    other.database.SetAway(false);
    cluster.scheduler.Advance(seconds(3));
    EXPECT_NE(cluster.Look("a").state, PodState::kDead);
    const auto resumed = cluster.Resume(other, pod);
    ASSERT_NE(resumed->Last<ResumedAnswer>(), nullptr);
    cluster.KeepAlive(other, {resumed}, seconds(30));
    EXPECT_EQ(cluster.Look("a").state, PodState::kAlive);
  }
}

// P10: one that others have given up lets its pods go without a verdict, and joins anew.
TEST_F(Outages, GivenUp_LetsItsPodsGoAndJoinsAnew) {
  auto& host = cluster_.Add();
  auto& other = cluster_.Add();
  const auto pod = cluster_.Register(host, "a", Profile::kStrict);
  host.database.SetAway(true);
  // The other one waits for a trust window before it gives the first one up, and for a grace before
  // it judges its pods.
  cluster_.scheduler.Advance(seconds(17));
  host.database.SetAway(false);
  cluster_.scheduler.Advance(milliseconds(1100));
  EXPECT_EQ(pod->reason, reason::kCoordinatorUntrusted);
  EXPECT_TRUE(host.coordinator.Ready());
  const auto resumed = cluster_.Resume(other, pod);
  ASSERT_NE(resumed->Last<ResumedAnswer>(), nullptr);
  cluster_.KeepAlive(other, {resumed}, seconds(30));
  EXPECT_THAT(cluster_.Kinds(IncarnationOf(pod)), Not(Contains(EventKind::kPodDied)));
}

// P7: what was under way when others gave the coordinator up names its old number, whose renewals
// nobody makes any more: that such a session is taken would never be heard of.
TEST_F(Outages, GivenUp_WhatWasUnderWayIsNotHosted) {
  auto& host = cluster_.Add();
  auto& other = cluster_.Add();
  const auto pod = cluster_.RegisterAndBeat(host, "a", Profile::kStrict);
  host.lane.StallNext(seconds(2));
  const auto resumed = cluster_.Resume(host, pod);
  host.lane.StallNext(seconds(2));
  const auto registered = cluster_.Register(host, "b", Profile::kStrict);
  ASSERT_TRUE(resumed->heard.empty());
  ASSERT_TRUE(registered->heard.empty());
  const CoordinatorNumber before = cluster_.Look("a").coordinator;
  cluster_.GiveUp(before);
  cluster_.scheduler.Advance(milliseconds(2100));
  EXPECT_TRUE(host.coordinator.Ready());
  EXPECT_EQ(cluster_.Look("b").coordinator, before);
  EXPECT_EQ(resumed->reason, reason::kCoordinatorUntrusted);
  EXPECT_EQ(registered->reason, reason::kCoordinatorUntrusted);
  EXPECT_EQ(registered->Last<RegisteredAnswer>(), nullptr);

  const auto moved = cluster_.Resume(other, pod);
  ASSERT_NE(moved->Last<ResumedAnswer>(), nullptr);
  cluster_.KeepAlive(other, {moved}, seconds(1));
  EXPECT_FALSE(cluster_.Beat(host, resumed));
  cluster_.KeepAlive(other, {moved}, seconds(30));
  EXPECT_EQ(cluster_.Look("a").state, PodState::kAlive);
}

}  // namespace
}  // namespace vigil
