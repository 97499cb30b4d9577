// What coordinators tell of themselves, in simulated time: each thing once, and by whoever did it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/simulated_cluster.h"

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::SizeIs;

constexpr Duration kLease = seconds(3);

class MeasuresTest : public testing::Test {
 protected:
  SimulatedCluster cluster_;
};

TEST_F(MeasuresTest, Death_OnStrongEvidenceInFast) {
  auto& host = cluster_.Add();
  auto& other = cluster_.Add();
  const auto pod = cluster_.RegisterAndBeat(host, "a", Profile::kFast);
  cluster_.Break(host, pod);
  ASSERT_EQ(cluster_.Look("a").state, PodState::kDead);
  ASSERT_THAT(host.measures.deaths, SizeIs(1));
  EXPECT_EQ(host.measures.deaths[0].cause, Cause::kStreamEnded);
  EXPECT_LT(host.measures.deaths[0].after_evidence, seconds(1));
  EXPECT_THAT(host.measures.suspected, IsEmpty()) << "it never was SUSPECT";
  EXPECT_THAT(host.measures.confirmed, IsEmpty());
  cluster_.scheduler.Advance(seconds(10));
  EXPECT_THAT(host.measures.deaths, SizeIs(1));
  EXPECT_THAT(other.measures.deaths, IsEmpty());
}

TEST_F(MeasuresTest, Death_OnStrongEvidenceInStrictWaitsForTheLease) {
  auto& host = cluster_.Add();
  const auto pod = cluster_.RegisterAndBeat(host, "a", Profile::kStrict);
  cluster_.scheduler.Advance(seconds(1));
  ASSERT_TRUE(cluster_.Beat(host, pod));
  EXPECT_THAT(host.measures.margins, ElementsAre(kLease, kLease - seconds(1)));
  cluster_.scheduler.Advance(milliseconds(500));
  cluster_.Break(host, pod);
  EXPECT_THAT(host.measures.suspected, ElementsAre(Evidence::kStrong));
  EXPECT_THAT(host.measures.deaths, IsEmpty());
  cluster_.scheduler.Advance(seconds(4));
  const auto waited = AllOf(Ge(kLease - milliseconds(500)), Le(kLease));
  ASSERT_THAT(host.measures.deaths, SizeIs(1));
  EXPECT_THAT(host.measures.deaths[0].after_evidence, waited);
  EXPECT_THAT(host.measures.confirmed, ElementsAre(waited));
  EXPECT_THAT(host.measures.refuted, IsEmpty());
}

TEST_F(MeasuresTest, Death_OnWeakEvidenceIsThatOfOneObserver) {
  auto& host = cluster_.Add();
  auto& one = cluster_.Add();
  auto& other = cluster_.Add();
  cluster_.RegisterAndBeat(host, "a", Profile::kFast);
  cluster_.Kill(host);
  cluster_.scheduler.Advance(seconds(2));
  ASSERT_EQ(cluster_.Look("a").state, PodState::kSuspect);
  EXPECT_EQ(one.coordinator.standing().cluster.suspect, 1U);
  EXPECT_EQ(other.coordinator.standing().cluster.alive, 0U);
  cluster_.scheduler.Advance(seconds(6));
  ASSERT_EQ(cluster_.Look("a").state, PodState::kDead);
  auto suspected = one.measures.suspected;
  suspected.insert(suspected.end(), other.measures.suspected.begin(),
                   other.measures.suspected.end());
  EXPECT_THAT(suspected, ElementsAre(Evidence::kWeak));
  auto deaths = one.measures.deaths;
  deaths.insert(deaths.end(), other.measures.deaths.begin(), other.measures.deaths.end());
  ASSERT_THAT(deaths, SizeIs(1));
  EXPECT_EQ(deaths[0].cause, Cause::kLockFree);
  EXPECT_THAT(deaths[0].after_evidence, AllOf(Ge(seconds(3)), Le(seconds(5))));
  EXPECT_EQ(one.measures.confirmed.size() + other.measures.confirmed.size(), 1U);
}

TEST_F(MeasuresTest, Refuted_ByAResume) {
  auto& host = cluster_.Add();
  auto& other = cluster_.Add();
  const auto pod = cluster_.RegisterAndBeat(host, "a", Profile::kStrict);
  cluster_.Break(host, pod);
  ASSERT_EQ(cluster_.Look("a").state, PodState::kSuspect);
  cluster_.scheduler.Advance(seconds(1));
  cluster_.Resume(other, pod);
  ASSERT_EQ(cluster_.Look("a").state, PodState::kAlive);
  EXPECT_THAT(host.measures.refuted, IsEmpty());
  EXPECT_THAT(other.measures.refuted, SizeIs(1));
  EXPECT_THAT(host.measures.suspected, ElementsAre(Evidence::kStrong));

  // A move of one that was not SUSPECT refutes nothing.
  cluster_.Resume(host, pod);
  EXPECT_THAT(host.measures.refuted, IsEmpty());
  EXPECT_THAT(other.measures.refuted, SizeIs(1));
}

// P9: the host that takes the lock again counts what somebody else has raised.
TEST_F(MeasuresTest, Refuted_ByTheHostAfterTheLocksWereLost) {
  auto& host = cluster_.Add();
  auto& other = cluster_.Add();
  const auto pod = cluster_.RegisterAndBeat(host, "a", Profile::kStrict);
  host.database.SetAway(true);
  cluster_.KeepAlive(host, {pod}, seconds(4));
  ASSERT_EQ(cluster_.Look("a").state, PodState::kSuspect);
  EXPECT_THAT(other.measures.suspected, ElementsAre(Evidence::kWeak));
  host.database.SetAway(false);
  cluster_.KeepAlive(host, {pod}, seconds(3));
  ASSERT_EQ(cluster_.Look("a").state, PodState::kAlive);
  EXPECT_THAT(host.measures.refuted, SizeIs(1));
  EXPECT_THAT(host.measures.deaths, IsEmpty());
  EXPECT_THAT(other.measures.deaths, IsEmpty());
}

TEST_F(MeasuresTest, Superseded_IsADeathWithoutEvidence) {
  auto& host = cluster_.Add();
  cluster_.BeginRegister(host, {.name = "a", .supersede_key = "key"});
  cluster_.scheduler.Settle();
  cluster_.BeginRegister(host, {.name = "a", .supersede_key = "key"});
  cluster_.scheduler.Settle();
  ASSERT_THAT(host.measures.deaths, SizeIs(1));
  EXPECT_EQ(host.measures.deaths[0].cause, Cause::kSuperseded);
}

// One whose lease is not renewed has no margin; and a pod that LEFT did not die.
TEST_F(MeasuresTest, LeasesThatAreNotGranted_AndFarewellsAreNotCounted) {
  auto& host = cluster_.Add();
  const auto pod = cluster_.RegisterAndBeat(host, "a", Profile::kStrict);
  host.measures.margins.clear();
  host.database.SetAway(true);
  cluster_.KeepAlive(host, {pod}, seconds(20));
  const size_t granted = host.measures.margins.size();
  EXPECT_FALSE(cluster_.Beat(host, pod));
  EXPECT_EQ(host.measures.margins.size(), granted);
  host.database.SetAway(false);
  cluster_.KeepAlive(host, {pod}, seconds(5));
  host.coordinator.conversations().Received(pod, LeaveMessage{});
  cluster_.scheduler.Advance(seconds(1));
  EXPECT_EQ(cluster_.Look("a").state, PodState::kLeft);
  EXPECT_THAT(host.measures.deaths, IsEmpty());
}

TEST_F(MeasuresTest, Trust_RunsOutFromTheLastAnswer) {
  auto& host = cluster_.Add();
  cluster_.scheduler.Advance(seconds(2));
  EXPECT_GT(host.measures.pings, 8);
  EXPECT_GT(host.measures.probes, 1);
  const Duration window = Timing{}.trust_window;
  const auto left = [&] {
    return host.coordinator.standing().trusted_until - cluster_.clock.Now();
  };
  EXPECT_THAT(left(), AllOf(Ge(window - seconds(1)), Le(window)));
  host.database.SetAway(true);
  cluster_.scheduler.Advance(seconds(10));
  // The sessions are lost, and what they proved is worth as much as before.
  EXPECT_THAT(left(), AllOf(Ge(window - seconds(11)), Le(window - seconds(10))));
  cluster_.scheduler.Advance(seconds(6));
  EXPECT_LT(left(), Duration::zero());
  EXPECT_FALSE(host.coordinator.Ready());
  host.database.SetAway(false);
  cluster_.scheduler.Advance(seconds(3));
  EXPECT_THAT(left(), Ge(window - seconds(1)));
}

TEST_F(MeasuresTest, Standing_CountsPodsAndWhatWaits) {
  auto& host = cluster_.Add();
  auto& other = cluster_.Add();
  const auto a = cluster_.RegisterAndBeat(host, "a", Profile::kFast);
  const auto b = cluster_.RegisterAndBeat(host, "b", Profile::kFast);
  const auto store = host.database.OpenStore(seconds(1));
  ASSERT_TRUE(store->StartWork({.ns = SimulatedCluster::kNamespace,
                                .key = "k",
                                .starter = IncarnationOf(a),
                                .traits = {.max_adoptions = 5}}));
  cluster_.Break(host, a);
  cluster_.KeepAlive(host, {b}, seconds(12));
  for (auto* member : {&host, &other}) {
    const auto standing = member->coordinator.standing();
    EXPECT_EQ(standing.cluster.alive, 1U);
    EXPECT_EQ(standing.cluster.suspect, 0U);
    EXPECT_EQ(standing.waiting.compete, 1U);
    EXPECT_EQ(standing.waiting.assign, 0U);
    EXPECT_EQ(standing.hosted, member == &host ? 1U : 0U);
    EXPECT_EQ(standing.most_hosted, CoordinatorSettings{}.max_pods);
  }
}

TEST_F(MeasuresTest, Subscriptions_BeginAndEnd) {
  auto& host = cluster_.Add();
  const auto pod = cluster_.RegisterAndBeat(host, "a", Profile::kFast);
  EXPECT_FALSE(host.coordinator.log_standing().read_to_end);
  const auto gone = cluster_.Subscribe(host, FromOldest{});
  const auto follower = cluster_.Subscribe(host, FromOldest{});
  cluster_.Read(host, follower);
  cluster_.Break(host, pod);
  cluster_.KeepAlive(host, {}, seconds(2));
  auto standing = host.coordinator.log_standing();
  EXPECT_EQ(standing.over_grpc, 2U);
  EXPECT_EQ(standing.over_http, 0U);
  EXPECT_EQ(standing.head, 2U);
  EXPECT_EQ(standing.unread, 0U);
  ASSERT_TRUE(standing.read_to_end);
  EXPECT_LE(cluster_.clock.Now() - *standing.read_to_end, seconds(1));
  EXPECT_EQ(host.measures.served, 1U) << "the other one was of the past";

  host.database.SetAway(true);
  cluster_.scheduler.Advance(seconds(7));
  standing = host.coordinator.log_standing();
  EXPECT_GE(cluster_.clock.Now() - *standing.read_to_end, seconds(6));
  host.database.SetAway(false);

  host.coordinator.subscriptions().Ended(gone);
  EXPECT_EQ(host.coordinator.log_standing().over_grpc, 1U);
  EXPECT_EQ(host.measures.ends[SubscriptionEnd::kClosed], 1);
  host.coordinator.Drain(seconds(1), [] {});
  cluster_.scheduler.Advance(seconds(2));
  host.coordinator.subscriptions().Ended(follower);
  EXPECT_EQ(host.measures.ends[SubscriptionEnd::kDraining], 1);
  EXPECT_EQ(host.measures.ends[SubscriptionEnd::kClosed], 1) << "it was told its end";
  EXPECT_EQ(host.coordinator.log_standing().over_grpc, 0U);
}

}  // namespace
}  // namespace vigil
