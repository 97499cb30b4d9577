// A slice of the simulation's seeds, that it comes to all that it is there for, and that one seed
// is one run.
#include <gtest/gtest.h>

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
        "WORK_CLAIMED", "WORK_RELEASED", "WORK_COMPLETED"}) {
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

}  // namespace
}  // namespace vigil::sim
