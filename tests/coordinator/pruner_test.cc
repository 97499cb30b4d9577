// Old events, pods and coordinators leave in the background, in simulated time.
#include "coordinator/pruner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/simulated_cluster.h"

namespace vigil {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Duration kAge = hours(1);
constexpr uint64_t kEvents = 50;
constexpr Duration kInterval = minutes(1);
// The longest rest, and what a sweep takes.
constexpr Duration kUntilPruned = 2 * kInterval;

class PrunerTest : public testing::Test {
 protected:
  PrunerTest() {
    cluster_.engine->SetWallClock([this] {
      const auto now = cluster_.clock.Now().time_since_epoch();
      return WallMicros{static_cast<uint64_t>(
          std::chrono::duration_cast<std::chrono::microseconds>(now).count())};
    });
    world_ = std::make_unique<MemoryDatabase>(cluster_.scheduler, cluster_.engine);
    store_ = world_->OpenStore(seconds(1));
  }

  static CoordinatorSettings Settings() {
    CoordinatorSettings settings;
    settings.retention = {kAge, kEvents};
    settings.prune_interval = kInterval;
    return settings;
  }

  // One that registers and leaves at once: two events.
  void ComeAndGo(const std::string& ns, int count) {
    for (int i = 0; i < count; ++i) {
      const SessionNumber session{1'000'000 + ++sessions_};
      const std::string name = "visitor-" + std::to_string(sessions_);
      const auto come = store_->Register({.ns = ns,
                                          .name = name,
                                          .registration_id = "registration-of-" + name,
                                          .lease = seconds(3),
                                          .coordinator = {1},
                                          .session = session});
      ASSERT_TRUE(come);
      const Incarnation incarnation = std::get<Registered>(*come).pod.incarnation;
      ASSERT_TRUE(store_->Leave(ns, {incarnation, session}));
    }
  }

  uint64_t EventsIn(const std::string& ns) {
    const LogBounds bounds = store_->ReadBounds({ns}).value()[0];
    return bounds.head.seq.value - bounds.start.seq.value;
  }
  size_t PodsIn(const std::string& ns) {
    return store_->ListPods(ns, /*include_ended=*/true, {}, 100'000).value().pods.size();
  }

  SimulatedCluster cluster_{Settings()};
  SimulatedCluster::Member& member_ = cluster_.Add();
  std::unique_ptr<MemoryDatabase> world_;
  std::unique_ptr<Store> store_;
  uint64_t sessions_ = 0;
};

TEST_F(PrunerTest, Prune_ByAge) {
  const auto pod = cluster_.RegisterAndBeat(member_, "living", Profile::kFast);
  ComeAndGo(SimulatedCluster::kNamespace, 10);
  cluster_.KeepAlive(member_, {pod}, kUntilPruned);
  EXPECT_EQ(EventsIn(SimulatedCluster::kNamespace), 21U);
  EXPECT_EQ(PodsIn(SimulatedCluster::kNamespace), 11U);

  cluster_.KeepAlive(member_, {pod}, kAge);

  EXPECT_EQ(EventsIn(SimulatedCluster::kNamespace), 0U);
  EXPECT_EQ(PodsIn(SimulatedCluster::kNamespace), 1U);
  EXPECT_EQ(cluster_.Look("living").state, PodState::kAlive);
}

TEST_F(PrunerTest, Prune_ByNumber) {
  ComeAndGo("shop", 60);
  cluster_.scheduler.Advance(kUntilPruned);
  EXPECT_EQ(EventsIn("shop"), kEvents);
  EXPECT_EQ(PodsIn("shop"), 60U) << "they are young";
}

TEST_F(PrunerTest, Prune_EveryNamespace) {
  constexpr int kNamespaces = 250;
  for (int i = 0; i < kNamespaces; ++i) ComeAndGo("ns-" + std::to_string(i), 30);
  cluster_.scheduler.Advance(2 * kUntilPruned);
  for (int i = 0; i < kNamespaces; ++i) EXPECT_EQ(EventsIn("ns-" + std::to_string(i)), kEvents);
}

// It goes on while there is more, and others come in between.
TEST_F(PrunerTest, Prune_InRoundsWithPauses) {
  ComeAndGo("shop", 5'000);
  const auto pruned_so_far = [this] { return store_->ReadBounds({"shop"}).value()[0].start.seq; };
  Duration waited{};
  while (pruned_so_far() == Seq{0} && waited < kUntilPruned) {
    cluster_.scheduler.Advance(milliseconds(1));
    waited += milliseconds(1);
  }
  int steps = 0;
  for (Seq before = pruned_so_far(); EventsIn("shop") > kEvents && waited < 2 * kUntilPruned;) {
    cluster_.scheduler.Advance(milliseconds(1));
    waited += milliseconds(1);
    const Seq now = pruned_so_far();
    if (now == before) continue;
    EXPECT_LE(now.value - before.value, 1000U);
    before = now;
    ++steps;
  }
  EXPECT_EQ(EventsIn("shop"), kEvents);
  EXPECT_GE(steps, 9);
  EXPECT_LT(waited, kUntilPruned) << "one that has more to do does not rest";
}

TEST_F(PrunerTest, Prune_OneWithMuchToDoKeepsNoOtherWaiting) {
  ComeAndGo("a-busy-one", 7'000);
  ComeAndGo("z-other", 60);
  Duration waited{};
  for (; EventsIn("z-other") > kEvents && waited < kUntilPruned; waited += milliseconds(1)) {
    cluster_.scheduler.Advance(milliseconds(1));
  }
  EXPECT_EQ(EventsIn("z-other"), kEvents);
  EXPECT_GT(EventsIn("a-busy-one"), kEvents) << "it was interrupted";
  cluster_.scheduler.Advance(seconds(2));
  EXPECT_EQ(EventsIn("a-busy-one"), kEvents) << "and gets its next turn without a rest";
}

TEST_F(PrunerTest, Prune_GoesOnAfterAnOutage) {
  ComeAndGo("shop", 60);
  member_.database.SetAway(true);
  cluster_.scheduler.Advance(5 * kInterval);
  EXPECT_EQ(EventsIn("shop"), 120U);
  member_.database.SetAway(false);
  cluster_.scheduler.Advance(kUntilPruned);
  EXPECT_EQ(EventsIn("shop"), kEvents);
}

TEST_F(PrunerTest, Prune_EndedCoordinators) {
  auto& gone = cluster_.Add();
  cluster_.Kill(gone);
  const auto rows = [this] {
    return cluster_.engine->Inspect(
        [](const memory::Tables& tables, const auto&) { return tables.coordinators.size(); });
  };
  cluster_.scheduler.Advance(kUntilPruned);
  EXPECT_EQ(rows(), 2U);
  cluster_.scheduler.Advance(kAge);
  EXPECT_EQ(rows(), 1U);
}

// P8
TEST_F(PrunerTest, Prune_ASubscriberWhoseCursorWasPrunedHasExpired) {
  ComeAndGo(SimulatedCluster::kNamespace, 60);
  const auto live = cluster_.Subscribe(member_, FromOldest{});
  cluster_.Read(member_, live);
  const Event early = cluster_.Log()[10];
  cluster_.scheduler.Advance(kUntilPruned);
  cluster_.Read(member_, live);

  const auto late =
      cluster_.Subscribe(member_, Cursor{early.position(), SimulatedCluster::kNamespace});
  cluster_.scheduler.Advance(seconds(2));
  ASSERT_TRUE(late->Ending());
  EXPECT_EQ(late->Ending()->reason, EndReason::kExpired);
  EXPECT_FALSE(live->Ending()) << "it has read what was pruned";
  ComeAndGo(SimulatedCluster::kNamespace, 1);
  cluster_.scheduler.Advance(seconds(2));
  cluster_.Read(member_, live);
  EXPECT_EQ(live->Events().size(), 122U);
}

}  // namespace
}  // namespace vigil
