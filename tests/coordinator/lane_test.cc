// Where blocking transactions run, over the state engine in memory.
#include "store/lane.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "coordinator/simulated_cluster.h"

namespace vigil {
namespace {

// P11: each lane of a coordinator that stops is through after one transaction, however many wait.
TEST(Lane, WhatWaitsWhenItIsStoppedNeverRuns) {
  SimulatedCluster cluster;
  MemoryDatabase database(cluster.scheduler, cluster.engine);
  std::promise<void> began;
  std::promise<void> stopped;
  std::atomic<int> ran = 0;
  {
    ThreadLane lane(database, {.name = "test", .threads = 1, .queue = 10});
    ASSERT_TRUE(lane.Enqueue([&](Store&) {
      began.set_value();
      stopped.get_future().wait();
      ++ran;
    }));
    ASSERT_TRUE(lane.Enqueue([&](Store&) { ++ran; }));
    began.get_future().wait();
    lane.Stop();
    EXPECT_FALSE(lane.Enqueue([&](Store&) { ++ran; }));
    stopped.set_value();
  }
  EXPECT_EQ(ran, 1);
}

}  // namespace
}  // namespace vigil
