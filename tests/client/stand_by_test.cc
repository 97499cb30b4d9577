// When a contender claims: at the event that makes the item claimable, and never because of old
// news.
#include "stand_by.h"

#include <gtest/gtest.h>

namespace vigil::client {
namespace {

constexpr Incarnation kSelf(7);
constexpr Incarnation kOwner(3);
constexpr Incarnation kOther(5);

WorkItem Owned(Incarnation owner, std::uint64_t fence, bool orphan = false) {
  return {.key = "k",
          .state = WorkState::kOwned,
          .owner = owner,
          .orphan = orphan,
          .fence = Fence(fence)};
}

Event PodEnded(EventKind kind, Incarnation who) { return {.kind = kind, .incarnation = who}; }

Event WorkEvent(EventKind kind, Incarnation who, std::uint64_t fence, std::string key = "k") {
  return {.kind = kind, .incarnation = who, .work_key = std::move(key), .fence = Fence(fence)};
}

void ExpectClaim(const Decision& decision, Incarnation owner, std::uint64_t fence) {
  const auto* claim = std::get_if<Claim>(&decision);
  ASSERT_NE(claim, nullptr);
  EXPECT_EQ(claim->expected_owner, owner);
  EXPECT_EQ(claim->expected_fence, Fence(fence));
}

class StandByTest : public ::testing::Test {
 protected:
  StandBy stand_by_{"k", kSelf};
};

TEST_F(StandByTest, StandBy_WaitsWhileALivingPodOwnsTheItem) {
  EXPECT_TRUE(std::holds_alternative<Wait>(stand_by_.OnItem(Owned(kOwner, 4))));
  EXPECT_TRUE(
      std::holds_alternative<Wait>(stand_by_.OnEvent(PodEnded(EventKind::kPodDied, kOther))));
}

TEST_F(StandByTest, StandBy_ClaimsWhenTheOwnerDies) {
  stand_by_.OnItem(Owned(kOwner, 4));
  ExpectClaim(stand_by_.OnEvent(PodEnded(EventKind::kPodDied, kOwner)), kOwner, 4);
}

TEST_F(StandByTest, StandBy_ClaimsWhenTheOwnerLeaves) {
  stand_by_.OnItem(Owned(kOwner, 4));
  ExpectClaim(stand_by_.OnEvent(PodEnded(EventKind::kPodLeft, kOwner)), kOwner, 4);
}

TEST_F(StandByTest, StandBy_WaitsWhileTheItemIsQuarantined) {
  stand_by_.OnItem(Owned(kOwner, 4));
  EXPECT_TRUE(std::holds_alternative<Wait>(
      stand_by_.OnEvent(WorkEvent(EventKind::kWorkQuarantined, kOwner, 4))));
  EXPECT_TRUE(std::holds_alternative<Wait>(
      stand_by_.OnItem({.key = "k", .state = WorkState::kQuarantined, .fence = Fence(4)})));
  ExpectClaim(stand_by_.OnEvent(WorkEvent(EventKind::kWorkReleased, Incarnation(), 4)),
              Incarnation(), 4);
}

TEST_F(StandByTest, StandBy_ClaimsWhenTheItemIsReleased) {
  stand_by_.OnItem(Owned(kOwner, 4));
  ExpectClaim(stand_by_.OnEvent(WorkEvent(EventKind::kWorkReleased, kOwner, 4)), Incarnation(), 4);
}

TEST_F(StandByTest, StandBy_ClaimsAnOrphanFromItsLastOwner) {
  ExpectClaim(stand_by_.OnItem(Owned(kOwner, 4, true)), kOwner, 4);
}

TEST_F(StandByTest, StandBy_FollowsTheItemFromOwnerToOwner) {
  stand_by_.OnItem(Owned(kOwner, 4));
  stand_by_.OnEvent(WorkEvent(EventKind::kWorkClaimed, kOther, 5));
  EXPECT_TRUE(
      std::holds_alternative<Wait>(stand_by_.OnEvent(PodEnded(EventKind::kPodDied, kOwner))));
  ExpectClaim(stand_by_.OnEvent(PodEnded(EventKind::kPodDied, kOther)), kOther, 5);
}

TEST_F(StandByTest, StandBy_IgnoresOldNews) {
  stand_by_.OnItem(Owned(kOther, 5));
  EXPECT_TRUE(std::holds_alternative<Wait>(
      stand_by_.OnEvent(WorkEvent(EventKind::kWorkReleased, kOwner, 4))));
  EXPECT_TRUE(std::holds_alternative<Wait>(stand_by_.OnItem(Owned(kOwner, 4, true))));
  EXPECT_EQ(stand_by_.owner(), kOther);
}

TEST_F(StandByTest, StandBy_IgnoresOtherItems) {
  stand_by_.OnItem(Owned(kOwner, 4));
  EXPECT_TRUE(std::holds_alternative<Wait>(
      stand_by_.OnEvent(WorkEvent(EventKind::kWorkCompleted, kOwner, 4, "other"))));
}

TEST_F(StandByTest, StandBy_EndsWhenTheItemIsCompletedOrOwned) {
  EXPECT_TRUE(std::holds_alternative<Completed>(
      stand_by_.OnEvent(WorkEvent(EventKind::kWorkCompleted, kOwner, 4))));
  EXPECT_TRUE(std::holds_alternative<Own>(stand_by_.OnItem(Owned(kSelf, 5))));
}

}  // namespace
}  // namespace vigil::client
