// Assignments against a real Postgres: what one namespace holds up, no other one waits for.
#include <gtest/gtest.h>

#include <thread>

#include "coordinator/assigner.h"
#include "pg/connection.h"
#include "store/postgres/postgres_database.h"
#include "support/store_test_database.h"

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Assigning : public testing::Test {
 protected:
  Pod Register(const std::string& ns, const std::string& name) {
    ++numbers_;
    auto outcome = store_->Register({.ns = ns,
                                     .name = name,
                                     .registration_id = "registration of " + ns + " " + name,
                                     .session_token = "token",
                                     .lease = seconds(3),
                                     .coordinator = {1},
                                     .session = {numbers_}});
    EXPECT_TRUE(outcome);
    return outcome ? std::get<Registered>(*outcome).pod : Pod{};
  }

  // An orphan of the policy ASSIGN, and one who can have it.
  void LeaveOrphan(const std::string& ns) {
    const Pod owner = Register(ns, "owner");
    ASSERT_TRUE(
        store_->StartWork({.ns = ns,
                           .key = "item",
                           .starter = owner.incarnation,
                           .traits = {.policy = RecoveryPolicy::kAssign, .max_adoptions = 5}}));
    Register(ns, "survivor");
    ASSERT_TRUE(
        store_->DeclareHosted(ns, Cause::kStreamEnded, {{owner.incarnation, owner.session}}));
  }

  bool AwaitOwner(const std::string& ns, const std::string& name) {
    const Instant deadline = clock_.Now() + seconds(20);
    while (clock_.Now() < deadline) {
      const auto item = store_->GetWork(ns, "item");
      if (item && item->owner_name == name) return true;
    }
    return false;
  }

  SystemClock clock_;
  TestDatabase test_database_;
  EventLoop loop_;
  PostgresDatabase database_{loop_, loop_, {.conninfo = test_database_.conninfo()}};
  const std::unique_ptr<Store> store_ = database_.OpenStore(seconds(20));
  uint64_t numbers_ = 0;
};

TEST_F(Assigning, ANamespaceThatFailsKeepsNoOtherWaiting) {
  ASSERT_NO_FATAL_FAILURE(LeaveOrphan("before-shop"));
  ASSERT_NO_FATAL_FAILURE(LeaveOrphan("shop"));
  const Instant deadline = clock_.Now() + seconds(20);
  auto held = pg::Connection::Open({test_database_.conninfo(), "test", {}}, deadline);
  ASSERT_TRUE(held);
  ASSERT_TRUE((*held)->ExecuteScript(
      "BEGIN; SELECT FROM vigil.namespaces WHERE name = 'before-shop' FOR UPDATE", deadline));
  ThreadLane lane(database_, {"recovery", 1, 10, milliseconds(500)});
  Assigner assigner(lane, loop_, clock_, milliseconds(50), 1, [] {});
  loop_.Post([&] { assigner.Start(); });
  std::thread turning([this] { loop_.Run(); });

  EXPECT_TRUE(AwaitOwner("shop", "survivor"));
  EXPECT_EQ(store_->GetWork("before-shop", "item")->owner_name, "owner");

  held->reset();
  EXPECT_TRUE(AwaitOwner("before-shop", "survivor")) << "it is tried again";
  loop_.Stop();
  turning.join();
}

}  // namespace
}  // namespace vigil
