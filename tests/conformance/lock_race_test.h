// The fixture of tests in which a transaction on Postgres meets rows that somebody else has locked.
#pragma once

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>

#include "base/clock.h"
#include "pg/connection.h"
#include "store/postgres/postgres_store.h"
#include "support/store_test_database.h"

namespace vigil {

class LockRaceTest : public ::testing::Test {
 protected:
  LockRaceTest() { Run("INSERT INTO vigil.namespaces (name) VALUES ('shop')"); }

  static Instant Deadline() { return SystemClock().Now() + std::chrono::seconds(20); }

  void Run(const std::string& sql) { RunAsSuperuser(database_.conninfo(), sql); }

  void AddPod(int number, const std::string& name) {
    const std::string n = std::to_string(number);
    Run("INSERT INTO vigil.pods (incarnation, namespace, name, registration_id, session_token,"
        " coordinator, session, profile, lease) VALUES (" +
        n + ", 'shop', '" + name + "', '" + n + "', '', 1, " + n + ", 'STRICT', '3 s')");
  }

  void Kill(uint64_t number) {
    EXPECT_TRUE(store_.DeclareHosted("shop", Cause::kStreamEnded, {{{number}, {number}}}, {}));
  }

  void Start(const std::string& key, uint64_t owner, RecoveryPolicy policy) {
    const auto started = store_.StartWork({.ns = "shop",
                                           .key = key,
                                           .starter = {owner},
                                           .traits = {.policy = policy, .max_adoptions = 5}});
    ASSERT_TRUE(started) << started.error().message;
  }

  // A session that holds what `sql` locks until it is destroyed.
  std::unique_ptr<pg::Connection> Hold(const std::string& sql) {
    auto connection = Connect();
    EXPECT_TRUE(connection->ExecuteScript("BEGIN; " + sql, Deadline()));
    return connection;
  }

  // Until so many stores wait for a lock, or `call` has ended.
  template <typename T>
  void AwaitWaiting(const std::future<T>& call, int64_t stores = 1) {
    constexpr pg::Statement kWaiting{
        "waiting",
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE application_name = 'store' AND wait_event_type = 'Lock'"};
    auto connection = Connect();
    int64_t waiting = 0;
    while (waiting < stores &&
           call.wait_for(std::chrono::seconds(0)) == std::future_status::timeout) {
      auto rows = connection->Execute({.steps = {{&kWaiting, {}}}, .changes = false}, Deadline());
      ASSERT_TRUE(rows);
      waiting = rows->front()[0].Bigint();
    }
  }

  // Whether nobody could change the row of this pod at this moment.
  bool IsLocked(int64_t number) {
    constexpr pg::Statement kFree{
        "free", "SELECT FROM vigil.pods WHERE incarnation = $1 FOR UPDATE SKIP LOCKED"};
    auto rows = Connect()->Execute({.steps = {{&kFree, {number}}}, .changes = true}, Deadline());
    EXPECT_TRUE(rows);
    return rows && rows->front().empty();
  }

  std::unique_ptr<pg::Connection> Connect() {
    auto connection = pg::Connection::Open({.conninfo = database_.conninfo()}, Deadline());
    EXPECT_TRUE(connection);
    return std::move(*connection);
  }

  TestDatabase database_;
  const pg::ConnectOptions target_{.conninfo = database_.conninfo(), .application_name = "store"};
  PostgresStore store_{target_, std::chrono::seconds(20)};
};

}  // namespace vigil
