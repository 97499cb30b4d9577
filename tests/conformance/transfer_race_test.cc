// A transfer on Postgres to a pod that registers, and whose row is locked, while it is under way.
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>

#include "base/clock.h"
#include "pg/connection.h"
#include "store/postgres/postgres_store.h"
#include "support/store_test_database.h"

namespace vigil {
namespace {

using std::chrono::seconds;

constexpr pg::Statement kWaiting{
    "waiting",
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE application_name = 'transfer' AND wait_event_type = 'Lock'"};

class TransferRaceTest : public ::testing::Test {
 protected:
  static Instant Deadline() { return SystemClock().Now() + seconds(20); }

  void AddPod(int number, const std::string& name) {
    const std::string n = std::to_string(number);
    RunAsSuperuser(database_.conninfo(),
                   "INSERT INTO vigil.pods (incarnation, namespace, name, registration_id,"
                   " session_token, coordinator, session, profile, lease) VALUES (" +
                       n + ", 'shop', '" + name + "', '" + n + "', '', 1, " + n +
                       ", 'STRICT', '3 s')");
  }

  // A session that holds what `sql` locks until it is destroyed.
  std::unique_ptr<pg::Connection> Hold(const std::string& sql) {
    auto connection = pg::Connection::Open({.conninfo = database_.conninfo()}, Deadline());
    EXPECT_TRUE(connection);
    EXPECT_TRUE((*connection)->ExecuteScript("BEGIN; " + sql, Deadline()));
    return std::move(*connection);
  }

  // Until the transfer waits for a lock, or has ended.
  void AwaitWaiting(const std::future<Result<WorkItem>>& transfer) {
    auto connection = pg::Connection::Open({.conninfo = database_.conninfo()}, Deadline());
    ASSERT_TRUE(connection);
    int64_t waiting = 0;
    while (waiting == 0 && transfer.wait_for(seconds(0)) == std::future_status::timeout) {
      auto rows =
          (*connection)->Execute({.steps = {{&kWaiting, {}}}, .changes = false}, Deadline());
      ASSERT_TRUE(rows);
      waiting = rows->front()[0].Bigint();
    }
  }

  // Until nobody has the item locked: the attempt that waited for it is over.
  void AwaitItem() { Hold("SELECT FROM vigil.work_items FOR UPDATE"); }

  TestDatabase database_;
  PostgresStore store_{{.conninfo = database_.conninfo(), .application_name = "transfer"},
                       seconds(20)};
};

TEST_F(TransferRaceTest, Transfer_WaitsForAPodThatSomebodyElseHasLocked) {
  RunAsSuperuser(database_.conninfo(), "INSERT INTO vigil.namespaces (name) VALUES ('shop')");
  AddPod(1, "cart");
  const auto started =
      store_.StartWork({.ns = "shop", .key = "a", .starter = {1}, .traits = {.max_adoptions = 5}});
  ASSERT_TRUE(started) << started.error().message;
  auto item = Hold("SELECT FROM vigil.work_items FOR UPDATE");
  auto transfer = std::async(std::launch::async, [&] {
    return store_.TransferWork({"shop", "a", {1}, started->item.fence}, "till");
  });
  AwaitWaiting(transfer);
  AddPod(2, "till");
  auto till = Hold("SELECT FROM vigil.pods WHERE incarnation = 2 FOR UPDATE");

  item.reset();
  // Its first attempt ends when the item is free, and its next one waits for the pod.
  AwaitItem();
  AwaitWaiting(transfer);
  till.reset();

  const auto given = transfer.get();
  ASSERT_TRUE(given) << given.error().message;
  EXPECT_EQ(given->owner, Incarnation{2});
}

}  // namespace
}  // namespace vigil
