// A database is migrated while the version before works with it.
#include <gtest/gtest.h>

#include <algorithm>
#include <future>

#include "pg/connection.h"
#include "pg/migrator.h"
#include "store/postgres/schema.h"
#include "support/store_test_database.h"

namespace vigil {
namespace {

using std::chrono::seconds;

constexpr auto kDatabase = "upgrade";

// The tables of ours that somebody waits for, and those that he has locked, that no work can be
// done with.
constexpr pg::Statement kLocks{
    "locks",
    "SELECT coalesce(string_agg(class.relname, ' ') FILTER (WHERE NOT held.granted), ''),"
    "       coalesce(string_agg(class.relname, ' ') FILTER (WHERE held.granted), '')"
    "  FROM pg_locks AS held JOIN pg_class AS class ON class.oid = held.relation"
    " WHERE held.mode = 'AccessExclusiveLock' AND class.relkind = 'r'"
    "   AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())"};

class UpgradeTest : public ::testing::Test {
 protected:
  UpgradeTest() { EXPECT_TRUE(TestCluster().CreateDatabase(kDatabase)); }
  ~UpgradeTest() override { EXPECT_TRUE(TestCluster().DropDatabase(kDatabase)); }

  static std::string Conninfo() { return TestCluster().Conninfo(kDatabase); }
  static Instant Deadline() { return SystemClock().Now() + seconds(20); }

  // Our migrations up to this one.
  static Result<std::vector<uint32_t>> MigrateTo(uint32_t version) {
    pg::Schema schema = PostgresSchema();
    std::erase_if(schema.migrations,
                  [&](const pg::Migration& migration) { return migration.version > version; });
    return pg::Migrate(Conninfo(), schema, seconds(20));
  }
};

// Work locks pods, then items, and appends events. A migration that has one of them and waits for
// another would end in a deadlock with it, as its victim or not.
TEST_F(UpgradeTest, Recovery_WaitsForWorkWithNothingLocked) {
  ASSERT_TRUE(MigrateTo(7));
  auto worker = pg::Connection::Open({.conninfo = Conninfo()}, Deadline());
  auto observer = pg::Connection::Open({.conninfo = Conninfo()}, Deadline());
  ASSERT_TRUE(worker && observer);
  ASSERT_TRUE((*worker)->ExecuteScript("BEGIN; SELECT FROM vigil.pods FOR SHARE", Deadline()));

  auto migration = std::async(std::launch::async, [] { return MigrateTo(8); });
  std::string awaited;
  std::string locked;
  while (awaited.empty() && migration.wait_for(seconds(0)) == std::future_status::timeout) {
    auto rows = (*observer)->Execute({.steps = {{&kLocks, {}}}, .changes = false}, Deadline());
    ASSERT_TRUE(rows);
    pg::Row row = rows->front()[0];
    awaited = row.Text();
    locked = row.Text();
  }
  EXPECT_EQ(awaited, "pods");
  EXPECT_EQ(locked, "");
  const auto worked = (*worker)->ExecuteScript(
      "UPDATE vigil.work_items SET updated_at = now(); SELECT FROM vigil.events; COMMIT",
      Deadline());
  EXPECT_TRUE(worked) << worked.error().error.message;

  const auto migrated = migration.get();
  ASSERT_TRUE(migrated) << migrated.error().message;
  EXPECT_EQ(*migrated, std::vector<uint32_t>{8});
}

}  // namespace
}  // namespace vigil
