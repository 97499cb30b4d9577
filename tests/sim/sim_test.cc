// A slice of the simulation's seeds, that it comes to all that it is there for, and that one seed
// is one run.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "base/log.h"
#include "core/errors.h"
#include "sim/simulation.h"

namespace vigil::sim {
namespace {

constexpr uint64_t kSlice = 100;

class SimulationTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { log::SetUp(log::Format::kText, log::Level::kNothing); }
};

// P1 to P11
TEST_F(SimulationTest, Slice_KeepsThePromisesAndComesToAllOfThem) {
  std::set<std::string> seen;
  for (uint64_t seed = 1; seed <= kSlice; ++seed) {
    Simulation simulation(PlanFor(seed));
    const auto violation = simulation.Run();
    ASSERT_FALSE(violation) << violation->promise << ": " << violation->what
                            << "\nagain: ./dev sim --seeds 1 --seed " << seed;
    seen.insert(simulation.Seen().begin(), simulation.Seen().end());
  }
  for (const char* happening :
       {"POD_REGISTERED", "POD_SUSPECTED LOCK_FREE", "POD_SUSPECTED STREAM_ENDED", "POD_REFUTED",
        "POD_MOVED", "POD_LEFT LEFT", "POD_DIED LOCK_FREE", "POD_DIED STREAM_ENDED",
        "POD_DIED HEARTBEATS_STOPPED", "POD_DIED SUPERSEDED", "LOST WATCHDOG_STARVED",
        "WORK_CLAIMED", "WORK_RELEASED", "WORK_COMPLETED", "WORK_QUARANTINED",
        "WORK_QUARANTINED LOCK_FREE", "WORK_QUARANTINED STREAM_ENDED"}) {
    EXPECT_TRUE(seen.contains(happening)) << happening;
  }
}

TEST_F(SimulationTest, SameSeed_SameRun) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    Simulation once(PlanFor(seed));
    Simulation again(PlanFor(seed));
    once.Run();
    again.Run();
    EXPECT_EQ(once.Fingerprint(), again.Fingerprint()) << "seed " << seed;
  }
}

// Two coordinators, and pods that work and follow.
Plan Quiet(int pods, Duration length) {
  Plan plan;
  plan.gentle = true;
  plan.coordinators = 2;
  for (int i = 0; i < pods; ++i) plan.pods.push_back({.name = "pod-" + std::to_string(i)});
  plan.length = length;
  plan.rest = std::chrono::seconds(30);
  return plan;
}

// P8, P11: who stops reading for an hour is dropped, and misses nothing.
TEST_F(SimulationTest, FollowerStallsForAnHour_IsDroppedAndMissesNothing) {
  Plan plan = Quiet(1, std::chrono::seconds(3700));
  plan.settings.subscriber_queue.count = 64;
  plan.faults.push_back({.kind = FaultKind::kStallFollower,
                         .at = std::chrono::seconds(60),
                         .lasts = std::chrono::hours(1)});
  Simulation simulation(plan);
  const auto violation = simulation.Run();
  ASSERT_FALSE(violation) << violation->promise << ": " << violation->what;
  const history::History& told = simulation.Pods().front()->follower().history();
  const auto stalled = std::find_if(told.begin(), told.end(), [](const auto& record) {
    return std::holds_alternative<history::Stalled>(record.what);
  });
  ASSERT_NE(stalled, told.end());
  EXPECT_GE(stalled->at - (stalled - 1)->at, std::chrono::seconds(3590));
  const auto end = std::find_if(stalled, told.end(), [](const auto& record) {
    return std::holds_alternative<history::Ended>(record.what);
  });
  ASSERT_NE(end, told.end());
  EXPECT_EQ(std::get<history::Ended>(end->what).error, "cancelled");
  EXPECT_GT(history::EventCount(told), 500U);
}

// P8: without any wake-up the poll finds everything, whatever else goes wrong.
TEST_F(SimulationTest, WakeUpsLostEntirely_FollowersHearEverything) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Plan plan = PlanFor(seed);
    plan.wake_ups = false;
    const auto violation = Simulation(plan).Run();
    ASSERT_FALSE(violation) << "seed " << seed << ": " << violation->promise << ": "
                            << violation->what;
  }
}

}  // namespace
}  // namespace vigil::sim
