// Weak evidence against many pods at once, in simulated time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/simulated_cluster.h"

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

using Pods = std::vector<PodHandle>;

class MassSuspicion : public testing::Test {
 protected:
  // Pods of the profile FAST named by their number, from `first` on.
  Pods Register(SimulatedCluster::Member& host, int first, int count) {
    Pods pods;
    for (int i = first; i < first + count; ++i) {
      pods.push_back(cluster_.RegisterAndBeat(host, std::to_string(i), Profile::kFast));
    }
    return pods;
  }

  int Dead() {
    const auto log = cluster_.Log();
    return static_cast<int>(std::count_if(log.begin(), log.end(), [](const Event& event) {
      return event.kind == EventKind::kPodDied;
    }));
  }

  SimulatedCluster cluster_;
  const Timing timing_{};
  // From the loss of a lock to the verdict at most: finding it, the grace, finding that it is over.
  const Duration verdict_ = timing_.fast_grace + 3 * timing_.probe_interval;
};

TEST_F(MassSuspicion, AFewAreCarriedOutAtOnce) {
  auto& doomed = cluster_.Add();
  cluster_.Add();
  Register(doomed, 0, 5);
  cluster_.Kill(doomed);
  cluster_.scheduler.Advance(verdict_);
  EXPECT_EQ(Dead(), 5);
}

TEST_F(MassSuspicion, ASmallShareIsCarriedOutAtOnce) {
  auto& doomed = cluster_.Add();
  auto& host = cluster_.Add();
  Register(doomed, 0, 8);
  const Pods others = Register(host, 8, 8);
  cluster_.Kill(doomed);
  cluster_.KeepAlive(host, others, verdict_);
  EXPECT_EQ(Dead(), 8);
}

// P2: the hold is one more grace, alarmed once.
TEST_F(MassSuspicion, MoreAreHeldForOneMoreGraceAndAlarmed) {
  auto& doomed = cluster_.Add();
  auto& host = cluster_.Add();
  Register(doomed, 0, 9);
  const Pods others = Register(host, 9, 8);
  testing::internal::CaptureStdout();
  cluster_.Kill(doomed);
  cluster_.KeepAlive(host, others, 2 * timing_.fast_grace);
  EXPECT_EQ(Dead(), 0);
  cluster_.KeepAlive(host, others, verdict_ - timing_.fast_grace + timing_.probe_interval * 3 / 2);
  EXPECT_EQ(Dead(), 9);
  const std::string said = testing::internal::GetCapturedStdout();
  const std::string alarm = "Too many pods are SUSPECT on weak evidence";
  const auto found = said.find(alarm);
  ASSERT_NE(found, std::string::npos);
  EXPECT_EQ(said.find(alarm, found + 1), std::string::npos);
  const std::string line = said.substr(found, said.find('\n', found) - found);
  EXPECT_NE(line.find("suspect=9 living=17 held=9 milliseconds=3000"), std::string::npos) << line;
}

// P9: those that come back during the hold live.
TEST_F(MassSuspicion, WhoComesBackDuringTheHoldLives) {
  auto& doomed = cluster_.Add();
  auto& host = cluster_.Add();
  const Pods pods = Register(doomed, 0, 8);
  cluster_.Kill(doomed);
  cluster_.scheduler.Advance(verdict_ + milliseconds(500));
  ASSERT_EQ(Dead(), 0);
  Pods back;
  for (int i = 0; i < 6; ++i) {
    back.push_back(cluster_.Resume(host, pods[static_cast<size_t>(i)]));
  }
  cluster_.KeepAlive(host, back, seconds(20));
  EXPECT_EQ(Dead(), 2);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(cluster_.Look(std::to_string(i)).state, PodState::kAlive);
}

// P2: those that join the mass during the hold do not extend it, and are held for one grace alone.
TEST_F(MassSuspicion, WhatJoinsTheMassExtendsNoHold) {
  auto& first = cluster_.Add();
  auto& second = cluster_.Add();
  auto& host = cluster_.Add();
  Register(first, 0, 8);
  const Pods later = Register(second, 8, 8);
  cluster_.Kill(first);
  cluster_.KeepAlive(second, later, seconds(2));
  cluster_.Kill(second);
  cluster_.scheduler.Advance(timing_.fast_grace + verdict_ - seconds(2));
  EXPECT_EQ(Dead(), 8);
  cluster_.scheduler.Advance(seconds(2) + timing_.probe_interval * 3 / 2);
  EXPECT_EQ(Dead(), 16);
  EXPECT_TRUE(host.coordinator.Ready());
}

// P1: what the host itself saw is not held, however many it is about.
TEST_F(MassSuspicion, StrongEvidenceIsNotHeld) {
  auto& host = cluster_.Add();
  const Pods pods = Register(host, 0, 20);
  for (const auto& pod : pods) cluster_.Break(host, pod);
  EXPECT_EQ(Dead(), 20);
}

}  // namespace
}  // namespace vigil
