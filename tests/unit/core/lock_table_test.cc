#include "core/lock_table.h"

#include <gtest/gtest.h>

namespace vigil {
namespace {

// P11: the bound answers with an error that says so.
TEST(LockTableGuardTest, NewPods_AreRefusedLongBeforeItIsFull) {
  LockTableGuard guard(80);
  EXPECT_FALSE(guard.RefusesNew()) << "it was not read yet";
  guard.Read({.in_use = 79, .size = 100});
  EXPECT_FALSE(guard.RefusesNew());
  guard.Took();
  const auto refused = guard.RefusesNew();
  ASSERT_TRUE(refused) << "what was taken since counts";
  EXPECT_EQ(refused->code, Code::kResourceExhausted);
  EXPECT_TRUE(refused->Is(reason::kLimitReached));
  EXPECT_NE(refused->message.find("80 of 100"), std::string::npos);
  EXPECT_NE(refused->hint.find("max_locks_per_transaction"), std::string::npos);
  guard.Read({.in_use = 40, .size = 100});
  EXPECT_FALSE(guard.RefusesNew());
}

TEST(LockTableGuardTest, MovingPods_AreRefusedOnlyWhenItIsFull) {
  LockTableGuard guard(80);
  guard.Read({.in_use = 99, .size = 100});
  EXPECT_TRUE(guard.RefusesNew());
  EXPECT_FALSE(guard.RefusesMoved());
  guard.Took();
  EXPECT_TRUE(guard.RefusesMoved());
  guard.Read({.in_use = 1, .size = 100});
  EXPECT_FALSE(guard.RefusesMoved());
  guard.Full();
  EXPECT_TRUE(guard.RefusesMoved()) << "the database knows better";
}

// P11: what another coordinator has read may be older than what was taken here.
TEST(LockTableGuardTest, HeardOfIt_WhatWasTakenMeanwhileCountsOnceMore) {
  LockTableGuard guard(80);
  guard.Heard({.in_use = 78, .size = 100});
  guard.Took();
  guard.Heard({.in_use = 78, .size = 100});
  EXPECT_FALSE(guard.RefusesNew());
  guard.Took();
  EXPECT_TRUE(guard.RefusesNew());
  guard.Heard({.in_use = 79, .size = 100});
  EXPECT_TRUE(guard.RefusesNew());
  guard.Heard({.in_use = 79, .size = 100});
  EXPECT_FALSE(guard.RefusesNew());
  guard.Took();
  guard.Read({.in_use = 79, .size = 100});
  EXPECT_FALSE(guard.RefusesNew()) << "it is in what was read";
}

TEST(LockTableGuardTest, NoLimitIsKnown_NothingIsRefused) {
  LockTableGuard guard(80);
  guard.Read({.in_use = 1'000'000, .size = 0});
  EXPECT_FALSE(guard.RefusesNew());
  EXPECT_FALSE(guard.RefusesMoved());
}

}  // namespace
}  // namespace vigil
