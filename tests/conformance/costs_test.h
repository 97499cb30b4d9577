// What the store visits of its tables on Postgres.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/clock.h"
#include "pg/connection.h"
#include "store/postgres/postgres_store.h"
#include "support/store_test_database.h"

namespace vigil {

class CostsTest : public ::testing::Test {
 protected:
  std::unique_ptr<PostgresStore> Open(Duration deadline = std::chrono::seconds(20)) {
    return std::make_unique<PostgresStore>(
        pg::ConnectOptions{.conninfo = database_.conninfo(),
                           .application_name = "costs",
                           .settings = pg::SettingsForRequests(deadline)},
        deadline);
  }

  void Run(const std::string& sql) { RunAsSuperuser(database_.conninfo(), sql); }

  // A session tells what it visited when it ends, at the latest.
  void Close(std::unique_ptr<PostgresStore> store) {
    store.reset();
    WaitUntilNobody("costs");
  }

  // From now on it counts what is visited.
  void BeginToCount() {
    WaitUntilNobody("test");
    visited_ = Number(kVisited);
  }

  // Rows of tables and entries of indexes.
  int64_t Visited() { return Number(kVisited) - visited_; }

 private:
  static constexpr pg::Statement kVisited{
      "visited",
      "SELECT (SELECT sum(seq_tup_read) FROM pg_stat_user_tables)::bigint"
      "       + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes)::bigint",
      /*once=*/true};
  static constexpr pg::Statement kCountSessions{
      "count_sessions",
      "SELECT count(*) FROM pg_stat_activity"
      " WHERE application_name = $1 AND datname = current_database()",
      /*once=*/true};

  void WaitUntilNobody(const std::string& application) {
    const Instant deadline = SystemClock().Now() + std::chrono::seconds(20);
    while (Number(kCountSessions, {application}) > 0) ASSERT_LT(SystemClock().Now(), deadline);
  }

  int64_t Number(const pg::Statement& statement, const pg::Params& params = {}) {
    const Instant deadline = SystemClock().Now() + std::chrono::seconds(20);
    auto connection = pg::Connection::Open({.conninfo = database_.conninfo()}, deadline);
    if (!connection) return -1;
    const auto rows =
        (*connection)->Execute({.steps = {{&statement, params}}, .changes = false}, deadline);
    return rows ? rows->front()[0].Bigint() : -1;
  }

  TestDatabase database_;
  int64_t visited_ = 0;
};

}  // namespace vigil
