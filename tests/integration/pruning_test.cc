// Pruning holds up nobody: while it waits, it has nothing that a verdict needs.
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "coordinator/pruner.h"
#include "core/validate.h"
#include "pg/connection.h"
#include "store/postgres/postgres_database.h"
#include "support/store_test_database.h"

namespace vigil {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr auto kNs = "shop";
constexpr uint32_t kBatch = 1000;

class Pruning : public testing::Test {
 protected:
  Pod Register(const std::string& name) {
    ++numbers_;
    auto outcome = store_->Register({.ns = kNs,
                                     .name = name,
                                     .registration_id = "registration of " + name,
                                     .session_token = "token",
                                     .lease = seconds(3),
                                     .coordinator = {1},
                                     .session = {numbers_}});
    EXPECT_TRUE(outcome);
    return outcome ? std::get<Registered>(*outcome).pod : Pod{};
  }

  WrittenEvents Kill(const Pod& pod) {
    auto written =
        store_->DeclareHosted(kNs, Cause::kStreamEnded, {{pod.incarnation, pod.session}});
    EXPECT_TRUE(written) << written.error().message;
    return written ? *written : WrittenEvents{};
  }

  static NewWork NewItem(const std::string& key, const Pod& starter) {
    return {.ns = kNs,
            .key = key,
            .starter = starter.incarnation,
            .traits = {.max_adoptions = kDefaultAdoptions}};
  }

  Result<Pruned> Prune() {
    return database_.OpenStore(seconds(20))->Prune(kNs, {minutes(30), 1'000'000}, kBatch);
  }

  // How many sessions wait for a lock that another one has.
  int64_t Waiting() const {
    static constexpr pg::Statement kWaiting{
        "waiting",
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE NOT granted AND datname = current_database()"};
    const Instant deadline = SystemClock().Now() + seconds(20);
    auto connection = pg::Connection::Open({test_database_.conninfo(), "test", {}}, deadline);
    if (!connection) return 0;
    auto rows = (*connection)->Execute({.steps = {{&kWaiting, {}}}, .changes = false}, deadline);
    if (!rows) return 0;
    pg::Row row = rows->front()[0];
    return row.Bigint();
  }

  // A session of somebody else that holds what `sql` locks until it is destroyed.
  std::unique_ptr<pg::Connection> Hold(const std::string& sql) {
    const Instant deadline = SystemClock().Now() + seconds(20);
    auto connection = pg::Connection::Open({test_database_.conninfo(), "test", {}}, deadline);
    EXPECT_TRUE(connection);
    EXPECT_TRUE((*connection)->ExecuteScript("BEGIN; " + sql, deadline));
    return std::move(*connection);
  }

  TestDatabase test_database_;
  EventLoop loop_;
  PostgresDatabase database_{loop_, loop_, {.conninfo = test_database_.conninfo()}};
  std::unique_ptr<Store> store_ = database_.OpenStore(seconds(20));
  uint64_t numbers_ = 0;
};

// The rows of events are the first that it waits for, and nobody else's.
TEST_F(Pruning, AVerdictDoesNotWaitForAPruningThatIsHeldUp) {
  for (int i = 0; i < 10; ++i) Kill(Register("old-" + std::to_string(i)));
  const Pod pod = Register("cart");
  Age(test_database_, hours(1));
  ASSERT_TRUE(Prune()->more);
  auto held = Hold("SELECT FROM vigil.events WHERE seq = 5 FOR UPDATE");
  auto pruning = std::async(std::launch::async, [this] { return Prune(); });
  while (Waiting() == 0) {
    ASSERT_EQ(pruning.wait_for(seconds(0)), std::future_status::timeout);
  }

  EXPECT_EQ(Kill(pod).events.size(), 1U);

  EXPECT_EQ(pruning.wait_for(seconds(0)), std::future_status::timeout);
  held.reset();
  const auto pruned = pruning.get();
  ASSERT_TRUE(pruned) << pruned.error().message;
  EXPECT_EQ(pruned->events, 20U);
}

// A namespace that can never be pruned keeps no other waiting.
TEST_F(Pruning, ANamespaceThatFailsIsPassedOver) {
  for (int i = 0; i < 10; ++i) Kill(Register("old-" + std::to_string(i)));
  auto first = store_->Register({.ns = "before-shop",
                                 .name = "a",
                                 .registration_id = "registration of a",
                                 .lease = seconds(3),
                                 .coordinator = {1},
                                 .session = {1000}});
  ASSERT_TRUE(first);
  Age(test_database_, hours(1));
  auto held = Hold("SELECT FROM vigil.namespaces WHERE name = 'before-shop' FOR UPDATE");
  ThreadLane lane(database_, {"pruning", 1, 10, std::chrono::milliseconds(500)});
  SystemClock clock;
  Pruner pruner(lane, loop_, clock, {minutes(30), 1'000'000}, std::chrono::milliseconds(10), 1);
  loop_.Post([&] { pruner.Start(); });
  std::thread turning([this] { loop_.Run(); });

  const Instant deadline = clock.Now() + seconds(20);
  bool pruned = false;
  while (!pruned && clock.Now() < deadline) {
    pruned = store_->ReadBounds({kNs}).value()[0].start.seq.value > 0;
  }
  EXPECT_TRUE(pruned);
  held.reset();
  loop_.Stop();
  turning.join();
}

// Of pods and items it leaves what somebody else has locked for the next round.
TEST_F(Pruning, WhatIsLockedIsLeftForLater) {
  const Pod worker = Register("worker");
  for (int i = 0; i < 3; ++i) {
    const std::string name = std::to_string(i);
    Kill(Register(name));
    auto started = store_->StartWork(NewItem(name, worker));
    ASSERT_TRUE(started);
    const WorkHolder holder{kNs, name, worker.incarnation, started->item.fence};
    ASSERT_TRUE(store_->CompleteWork(holder, ""));
  }
  Age(test_database_, hours(1));
  auto held = Hold(
      "SELECT FROM vigil.pods WHERE name = '1' FOR UPDATE;"
      "SELECT FROM vigil.work_items WHERE key = '1' FOR UPDATE");

  const auto pruned = Prune();
  ASSERT_TRUE(pruned) << pruned.error().message;
  EXPECT_EQ(pruned->pods, 2U);
  EXPECT_EQ(pruned->items, 2U);

  held.reset();
  const auto rest = Prune();
  ASSERT_TRUE(rest);
  EXPECT_EQ(rest->pods, 1U);
  EXPECT_EQ(rest->items, 1U);
}

// It takes the head row last, and so waits for the writers and not they for it.
TEST_F(Pruning, WaitsForTheHeadRowWithNothingThatTheLivingNeed) {
  for (int i = 0; i < 10; ++i) Kill(Register("old-" + std::to_string(i)));
  const Pod pod = Register("cart");
  Age(test_database_, hours(1));
  auto held = Hold("SELECT FROM vigil.namespaces FOR UPDATE");
  auto pruning = std::async(std::launch::async, [this] { return Prune(); });
  while (Waiting() == 0) {
    ASSERT_EQ(pruning.wait_for(seconds(0)), std::future_status::timeout);
  }

  const auto started = store_->StartWork(NewItem("a", pod));
  EXPECT_TRUE(started) << "it locks the pod and the item, and makes no event";

  held.reset();
  EXPECT_TRUE(pruning.get());
}

}  // namespace
}  // namespace vigil
