// Pods whose names never run twice, in simulated time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/simulated_cluster.h"
#include "core/errors.h"

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;

const std::string kKey = "the-key-of-this-name";

class Supersede : public testing::Test {
 protected:
  PodHandle Begin(SimulatedCluster::Member& host, const std::string& key, Duration wait = {}) {
    return cluster_.BeginRegister(host, {.name = "a",
                                         .registration_id = {},
                                         .profile = Profile::kStrict,
                                         .wait_for_name = wait,
                                         .supersede_key = key});
  }

  PodHandle Register(SimulatedCluster::Member& host, const std::string& key, Duration wait = {}) {
    auto pod = Begin(host, key, wait);
    cluster_.scheduler.Settle();
    return pod;
  }

  SimulatedCluster cluster_;
};

// The one exception to P1 and P7: no lock is free, and the incumbent's lease has not ended.
TEST_F(Supersede, AtOnceAndTheIncumbentHearsOfIt) {
  auto& host = cluster_.Add();
  const auto incumbent = Register(host, kKey);
  ASSERT_TRUE(cluster_.Beat(host, incumbent));
  const auto newcomer = Register(host, kKey);
  EXPECT_EQ(cluster_.Look("a").incarnation, IncarnationOf(newcomer));
  EXPECT_EQ(incumbent->reason, reason::kIncarnationEnded);
  EXPECT_FALSE(cluster_.Beat(host, incumbent));
  EXPECT_TRUE(cluster_.Beat(host, newcomer));
  cluster_.Break(host, incumbent);
  cluster_.KeepAlive(host, {newcomer}, seconds(60));
  EXPECT_THAT(cluster_.Kinds(IncarnationOf(incumbent)),
              ElementsAre(EventKind::kPodRegistered, EventKind::kPodDied));
  EXPECT_THAT(cluster_.Kinds(IncarnationOf(newcomer)), ElementsAre(EventKind::kPodRegistered));
}

TEST_F(Supersede, OnAnotherCoordinatorTheOldHostHearsOfItInAPingInterval) {
  auto& host = cluster_.Add();
  auto& other = cluster_.Add();
  const auto incumbent = Register(host, kKey);
  ASSERT_TRUE(cluster_.Beat(host, incumbent));
  const auto newcomer = Register(other, kKey);
  EXPECT_EQ(cluster_.Look("a").incarnation, IncarnationOf(newcomer));
  cluster_.scheduler.Advance(Timing().ping_interval + milliseconds(10));
  EXPECT_EQ(incumbent->reason, reason::kSessionTaken);
  const auto resumed = cluster_.Resume(other, incumbent);
  EXPECT_EQ(resumed->reason, reason::kIncarnationEnded);
}

// P1, P7: what ends a session can be known before what began it.
TEST_F(Supersede, BeforeTheIncumbentsHostKnowsOfItItIsNeverHosted) {
  auto& host = cluster_.Add();
  auto& other = cluster_.Add();
  host.lane.DelayAnswers(2 * Timing().ping_interval);
  const auto incumbent = Begin(host, kKey);
  cluster_.scheduler.Advance(milliseconds(1));
  host.lane.DelayAnswers({});
  const auto newcomer = Register(other, kKey);
  EXPECT_EQ(cluster_.Look("a").incarnation, IncarnationOf(newcomer));
  cluster_.scheduler.Advance(3 * Timing().ping_interval);
  EXPECT_EQ(incumbent->reason, reason::kSessionTaken);
  EXPECT_FALSE(cluster_.Beat(host, incumbent));
  EXPECT_TRUE(cluster_.Beat(other, newcomer));
}

TEST_F(Supersede, WithoutTheIncumbentsKeyItWaitsOrIsRefused) {
  auto& host = cluster_.Add();
  const auto incumbent = Register(host, kKey);
  EXPECT_EQ(Register(host, "")->reason, reason::kPodNameTaken);
  EXPECT_EQ(Register(host, "another-key-of-it")->reason, reason::kPodNameTaken);
  const auto waiting = Register(host, "another-key-of-it", seconds(2));
  EXPECT_NE(waiting->Last<WaitingAnswer>(), nullptr);
  cluster_.KeepAlive(host, {incumbent}, seconds(3));
  EXPECT_EQ(waiting->reason, reason::kPodNameTaken);
  EXPECT_EQ(cluster_.Look("a").incarnation, IncarnationOf(incumbent));
}

TEST_F(Supersede, AnIncumbentThatMayRunTwiceIsWaitedFor) {
  auto& host = cluster_.Add();
  const auto incumbent = Register(host, "");
  EXPECT_EQ(Register(host, kKey)->reason, reason::kPodNameTaken);
  EXPECT_EQ(cluster_.Look("a").incarnation, IncarnationOf(incumbent));
}

// Nobody is superseded by one that came at the same time.
TEST_F(Supersede, OfNewcomersAtOnceOneWins) {
  auto& host = cluster_.Add();
  auto& other = cluster_.Add();
  Register(host, kKey);
  const auto first = Begin(host, kKey, seconds(5));
  const auto second = Begin(other, kKey, seconds(5));
  const auto third = Begin(other, kKey);
  cluster_.scheduler.Settle();
  ASSERT_NE(first->Last<RegisteredAnswer>(), nullptr);
  EXPECT_EQ(second->Last<RegisteredAnswer>(), nullptr);
  ASSERT_NE(second->Last<WaitingAnswer>(), nullptr);
  EXPECT_EQ(second->Last<WaitingAnswer>()->incumbent, IncarnationOf(first));
  EXPECT_EQ(third->reason, reason::kPodNameTaken);
  cluster_.KeepAlive(host, {first}, seconds(6));
  EXPECT_EQ(second->reason, reason::kPodNameTaken);
  EXPECT_EQ(cluster_.Look("a").incarnation, IncarnationOf(first));
}

// P11: one whose stream is gone supersedes nobody any more.
TEST_F(Supersede, AStreamThatIsGoneTriesNoMore) {
  auto& host = cluster_.Add();
  const auto incumbent = Register(host, kKey);
  const auto gone = Begin(host, kKey);
  host.coordinator.conversations().Ended(gone);
  cluster_.scheduler.Settle();
  EXPECT_EQ(cluster_.Look("a").incarnation, IncarnationOf(incumbent));
  EXPECT_TRUE(cluster_.Beat(host, incumbent));
}

}  // namespace
}  // namespace vigil
