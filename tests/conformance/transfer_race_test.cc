// Transfers on Postgres that something else comes in between of.
#include "conformance/lock_race_test.h"
#include "core/errors.h"

namespace vigil {
namespace {

using TransferRaceTest = LockRaceTest;

// To a pod that registers, and whose row is locked, while it is under way.
TEST_F(TransferRaceTest, Transfer_WaitsForAPodThatSomebodyElseHasLocked) {
  AddPod(1, "cart");
  Start("a", 1, RecoveryPolicy::kCompete);
  auto item = Hold("SELECT FROM vigil.work_items FOR UPDATE");
  auto transfer = std::async(std::launch::async, [&] {
    return store_.TransferWork({"shop", "a", {1}, {1}}, "till");
  });
  AwaitWaiting(transfer);
  AddPod(2, "till");
  auto till = Hold("SELECT FROM vigil.pods WHERE incarnation = 2 FOR UPDATE");

  item.reset();
  // Its first attempt ends when the item is free, and its next one waits for the pod.
  Hold("SELECT FROM vigil.work_items FOR UPDATE");
  AwaitWaiting(transfer);
  till.reset();

  const auto given = transfer.get();
  ASSERT_TRUE(given) << given.error().message;
  EXPECT_EQ(given->owner, Incarnation{2});
}

// Fences of a later timeline begin above those of the one before. Whoever has the first of them has
// it not from this transfer.
TEST_F(TransferRaceTest, Transfer_IsNotTakenForWhatCameAfterAFailover) {  // P5
  constexpr uint64_t kFloor = uint64_t{1} << 32;
  AddPod(1, "cart");
  AddPod(2, "till");
  AddPod(3, "desk");
  Start("a", 1, RecoveryPolicy::kCompete);
  const auto transfer = [&] { return store_.TransferWork({"shop", "a", {1}, {1}}, "till"); };
  ASSERT_TRUE(transfer());
  ASSERT_TRUE(transfer()) << "it is repeated";
  Kill(2);
  // As if a failover had come here.
  Run("UPDATE vigil.work_items SET fence = " + std::to_string(kFloor));
  const auto claimed = store_.ClaimWork({.ns = "shop",
                                         .key = "a",
                                         .claimant = {3},
                                         .expected_owner = {2},
                                         .expected_fence = {kFloor}});
  ASSERT_TRUE(claimed) << claimed.error().message;
  ASSERT_EQ(claimed->item.fence, Fence{kFloor + 1});

  const auto late = transfer();

  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().reason, reason::kFenced);
}

}  // namespace
}  // namespace vigil
