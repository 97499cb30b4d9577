// The locks with which orphans are given away on Postgres.
#include "conformance/lock_race_test.h"

namespace vigil {
namespace {

class RecoveryLocksTest : public LockRaceTest {
 protected:
  // A pod that lives, one that has ended with an item, and one that is not known to have ended
  // without one.
  RecoveryLocksTest() {
    AddPod(kLiving, "till");
    AddPod(kDead, "cart");
    AddPod(kBare, "desk");
    Start("competes", kDead, RecoveryPolicy::kCompete);
    Start("assigned", kDead, RecoveryPolicy::kAssign);
    Kill(kDead);
    Kill(kBare);
    Run("UPDATE vigil.pods SET may_have_orphans = true WHERE incarnation = 3");
  }

  std::string OwnerOf(const std::string& key) {
    const auto item = store_.GetWork("shop", key);
    EXPECT_TRUE(item);
    return item && !item->orphan ? item->owner_name : "";
  }

  static constexpr int kLiving = 1;
  static constexpr int kDead = 2;
  static constexpr int kBare = 3;
};

TEST_F(RecoveryLocksTest, ClaimOrphans_LocksTheHeadRowLast) {
  auto head = Hold("SELECT FROM vigil.namespaces FOR UPDATE");
  auto claim = std::async(std::launch::async, [&] {
    return store_.ClaimOrphans(
        {.ns = "shop", .claimant = {kLiving}, .limit = 10, .request_id = "r1"});
  });
  AwaitWaiting(claim);

  EXPECT_TRUE(IsLocked(kBare)) << "what it finds out about the ended comes before";
  head.reset();
  const auto claimed = claim.get();
  ASSERT_TRUE(claimed) << claimed.error().message;
  EXPECT_EQ(claimed->size(), 1U);
}

TEST_F(RecoveryLocksTest, AssignWork_LocksTheHeadRowLast) {
  auto head = Hold("SELECT FROM vigil.namespaces FOR UPDATE");
  auto assignment = std::async(std::launch::async, [&] { return store_.AssignWork("shop", 10); });
  AwaitWaiting(assignment);

  EXPECT_TRUE(IsLocked(kBare)) << "what it finds out about the ended comes before";
  EXPECT_TRUE(IsLocked(kLiving)) << "it cannot end before it has the item";  // P6
  head.reset();
  const auto done = assignment.get();
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->assigned, 1U);
}

// After a death everybody claims at once.
TEST_F(RecoveryLocksTest, AssignWork_GivesToAPodThatClaimsMeanwhile) {
  auto claim = Hold("SELECT FROM vigil.pods WHERE incarnation = 1 FOR NO KEY UPDATE");
  const auto done = store_.AssignWork("shop", 10);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->assigned, 1U);
  EXPECT_EQ(OwnerOf("assigned"), "till");
}

TEST_F(RecoveryLocksTest, AssignWork_GivesToAnotherInPlaceOfAPodThatMayBeEnding) {
  AddPod(4, "busy");
  Start("of the busy", 4, RecoveryPolicy::kCompete);
  auto verdict = Hold("SELECT FROM vigil.pods WHERE incarnation = 1 FOR UPDATE");
  auto done = store_.AssignWork("shop", 10);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->assigned, 1U);
  EXPECT_EQ(OwnerOf("assigned"), "busy");
}

TEST_F(RecoveryLocksTest, AssignWork_WaitsForNoPodThatMayBeEnding) {
  auto verdict = Hold("SELECT FROM vigil.pods WHERE incarnation = 1 FOR UPDATE");
  auto done = store_.AssignWork("shop", 10);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->assigned, 0U);
  EXPECT_FALSE(done->more) << "it is the next sweep's";
}

}  // namespace
}  // namespace vigil
