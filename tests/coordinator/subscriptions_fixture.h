// What tests of subscriptions begin with: one coordinator whose log a test fills.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "coordinator/simulated_cluster.h"

namespace vigil {

class SubscriptionsTest : public testing::Test {
 protected:
  // Makes `count` events.
  void Happen(SimulatedCluster::Member& host, int count) {
    for (int i = 0; i < count; ++i) {
      cluster_.Register(host, "pod-" + std::to_string(++pods_), Profile::kStrict);
    }
  }

  static void ExpectContiguous(const std::vector<Event>& events, uint64_t first, uint64_t last) {
    ASSERT_EQ(events.size(), last - first + 1);
    for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i].seq.value, first + i);
  }

  Cursor At(uint64_t seq) { return {cluster_.Log().at(seq - 1).position(), "default"}; }

  // A failover to a standby that never got the rest.
  void LoseEventsAfter(uint64_t head) { cluster_.LoseEventsAfter(Seq{head}); }

  // Whatever a test looks at, every subscriber was told the truth.   (P8)
  void TearDown() override { EXPECT_THAT(cluster_.Violations(), testing::IsEmpty()); }

  // Leases so long that silent pods make no events of their own.
  static CoordinatorSettings Patient() {
    CoordinatorSettings settings;
    settings.timing.default_lease = std::chrono::seconds(60);
    return settings;
  }

  SimulatedCluster cluster_{Patient()};
  SimulatedCluster::Member* host_ = &cluster_.Add();
  int pods_ = 0;
};

}  // namespace vigil
