// How the coordinators share the probing, in simulated time.
#include "coordinator/prober.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/simulated_cluster.h"

namespace vigil {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

using Member = SimulatedCluster::Member;

class ProberTest : public testing::Test {
 protected:
  // The last is the one whose loss is looked at.
  void AddMembers(int count) {
    for (int i = 0; i < count; ++i) members_.push_back(&cluster_.Add());
  }

  int Turns() const {
    int turns = 0;
    for (const Member* member : members_) turns += member->measures.probes;
    return turns;
  }

  // Until it has the turn.
  void AwaitTurnOf(const Member& member) {
    const int before = member.measures.probes;
    for (int i = 0; i < 60'000 && member.measures.probes == before; ++i) {
      cluster_.scheduler.Advance(milliseconds(1));
    }
    EXPECT_GT(member.measures.probes, before);
  }

  void Kill(Member& member) {
    std::erase(members_, &member);
    cluster_.Kill(member);
  }

  // How long it takes until the pod is in this state.
  Duration Until(const std::string& name, PodState state) {
    const Instant from = cluster_.clock.Now();
    for (int i = 0; i < 60'000 && cluster_.Look(name).state != state; ++i) {
      cluster_.scheduler.Advance(milliseconds(1));
    }
    EXPECT_EQ(cluster_.Look(name).state, state);
    return cluster_.clock.Now() - from;
  }

  SimulatedCluster cluster_;
  std::vector<Member*> members_;
  const Timing timing_{};
  // From one turn to the next, at most.
  const Duration longest_ = timing_.probe_interval * 3 / 2;
};

TEST_F(ProberTest, Turns_OnceInAnIntervalHoweverManyTakeThem) {
  for (const int count : {1, 2, 5}) {
    AddMembers(count);
    const int before = Turns();
    cluster_.scheduler.Advance(seconds(60));
    const int turns = Turns() - before;
    EXPECT_LE(turns, seconds(60) / timing_.probe_interval + 1) << members_.size();
    EXPECT_GE(turns, seconds(60) / longest_) << members_.size();
  }
  for (const Member* member : members_) EXPECT_GT(member->measures.probes, 1) << "nobody owns them";
}

// P2: whoever has had the turn may be lost right after it, with its pods.
TEST_F(ProberTest, TurnsHolderLost_AnotherOneFindsItsPods) {
  AddMembers(4);
  for (const std::string name : {"a", "b", "c"}) {
    Member& doomed = *members_.back();
    cluster_.Register(doomed, name, Profile::kFast);
    AwaitTurnOf(doomed);
    Kill(doomed);
    EXPECT_LE(Until(name, PodState::kSuspect), longest_);
    EXPECT_LE(Until(name, PodState::kDead), timing_.fast_grace + longest_);
  }
}

// P2: one that takes the turn and is not heard of again costs a turn and no more.
TEST_F(ProberTest, TurnsHolderFrozen_AnotherOneFindsWhatItFound) {
  AddMembers(3);
  Member& frozen = *members_[0];
  Member& doomed = *members_[2];
  cluster_.Register(doomed, "a", Profile::kFast);
  frozen.lane.DelayAnswers(seconds(20));
  AwaitTurnOf(*members_[1]);
  Kill(doomed);
  EXPECT_LE(Until("a", PodState::kSuspect), 2 * longest_);
  EXPECT_LE(Until("a", PodState::kDead), timing_.fast_grace + longest_);
}

// P2: a verdict needs nobody's turn, and not the one who raised the suspicion.
TEST_F(ProberTest, WhoRaisedTheSuspicionLost_TheOthersCountTheirGrace) {
  AddMembers(4);
  cluster_.Register(*members_[3], "a", Profile::kFast);
  Kill(*members_[3]);
  Until("a", PodState::kSuspect);
  const auto raised = std::ranges::find_if(
      members_, [](const Member* member) { return !member->measures.suspected.empty(); });
  ASSERT_NE(raised, members_.end());
  Kill(**raised);
  EXPECT_LE(Until("a", PodState::kDead), longest_ + timing_.fast_grace + longest_);
}

// P2: the wall clock paces, and stops nothing when it is set back or forward.
TEST_F(ProberTest, WallClockJumps_TheProbesGoOn) {
  AddMembers(2);
  for (const Duration jump : {Duration(hours(-1)), Duration(hours(1))}) {
    cluster_.wall_clock_ahead += jump;
    const int before = Turns();
    cluster_.scheduler.Advance(seconds(10));
    EXPECT_GE(Turns() - before, seconds(10) / longest_);
    EXPECT_LE(Turns() - before, seconds(10) / timing_.probe_interval + 2);
  }
}

// P2: the turn, which is due by the wall clock, never is; each goes by a clock of its own.
TEST_F(ProberTest, WallClockSetBackAgainAndAgain_TheProbesGoOn) {
  AddMembers(3);
  cluster_.Register(*members_.back(), "a", Profile::kFast);
  Kill(*members_.back());
  const int before = Turns();
  for (int i = 0; i < 50; ++i) {
    cluster_.wall_clock_ahead -= milliseconds(400);
    cluster_.scheduler.Advance(milliseconds(400));
  }
  EXPECT_GE(Turns() - before, seconds(20) / (2 * longest_));
  EXPECT_EQ(cluster_.Look("a").state, PodState::kDead);
}

}  // namespace
}  // namespace vigil
