// Migrations are applied once, in order, and never over something else.
#include "pg/migrator.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <future>
#include <thread>

#include "cluster_test.h"

namespace vigil::pg {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class MigratorTest : public ClusterTest {
 protected:
  Result<std::vector<uint32_t>> Up(const Schema& schema) {
    return Migrate(conninfo(), schema, seconds(20));
  }
  Result<void> Check(const Schema& schema) {
    return CheckSchema({conninfo()}, schema, seconds(20));
  }

  const Schema one_{"house", "house migrate", {{1, "rooms", "CREATE TABLE house.rooms (n int)"}}};
  const Schema two_{"house",
                    "house migrate",
                    {{1, "rooms", "CREATE TABLE house.rooms (n int)"},
                     {2, "doors", "CREATE TABLE house.doors (n int); SELECT 1"}}};
};

TEST_F(MigratorTest, Migrate_AppliesWhatIsPendingOnce) {
  EXPECT_THAT(Check(one_).error().hint, HasSubstr("house migrate"));
  EXPECT_THAT(Up(one_).value(), ElementsAre(1));
  EXPECT_TRUE(Check(one_));
  EXPECT_THAT(Check(two_).error().message, HasSubstr("lacks migration 2 (doors)"));
  EXPECT_THAT(Up(two_).value(), ElementsAre(2));
  EXPECT_THAT(Up(two_).value(), IsEmpty());
  EXPECT_TRUE(Check(two_));
}

TEST_F(MigratorTest, Check_RefusesANewerDatabase) {
  ASSERT_TRUE(Up(two_));
  EXPECT_THAT(Check(one_).error().message, HasSubstr("does not know"));
  EXPECT_FALSE(Up(one_));
}

// It may lack what its successor has been given since.
TEST_F(MigratorTest, Check_BelievesNoOldPrimary) {
  ASSERT_TRUE(Up(one_));
  const ConnectOptions where{.conninfo = conninfo(), .known = std::make_shared<KnownServer>()};
  EXPECT_EQ(CheckSchema(where, two_, seconds(20)).error().code, Code::kFailedPrecondition);
  const auto opened = Connection::Open(where, In(seconds(20)));
  ASSERT_TRUE(opened) << opened.error().error.message;
  ServerIdentity successor = (*opened)->facts().server;
  ++successor.timeline;
  ASSERT_TRUE(where.known->Admit(successor));
  for (const Schema& schema : {one_, two_}) {
    const auto checked = CheckSchema(where, schema, seconds(20));
    ASSERT_FALSE(checked);
    EXPECT_TRUE(checked.error().Is(kDatabaseUnavailable)) << checked.error().message;
    EXPECT_THAT(checked.error().message, HasSubstr("it is an old primary"));
  }
}

// A program works with a database that is newer, as long as that serves it.
TEST_F(MigratorTest, Check_AcceptsANewerDatabaseThatServesIt) {
  Schema newer = two_;
  newer.migrations[1].serves = 1;
  ASSERT_TRUE(Up(newer));
  EXPECT_TRUE(Check(one_));
  EXPECT_THAT(Up(one_).value(), IsEmpty());
  const auto statuses = ReadMigrationStatus({conninfo()}, one_, seconds(20));
  ASSERT_EQ(statuses->size(), 2u);
  EXPECT_EQ((*statuses)[1].state, MigrationState::kNewer);
  EXPECT_EQ((*statuses)[1].serves, 1u);

  newer.migrations.push_back({3, "no_rooms", "DROP TABLE house.rooms", 2});
  ASSERT_TRUE(Up(newer));
  EXPECT_TRUE(Check(two_));
  const auto refused = Check(one_);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("migration 3 (no_rooms)"));
  EXPECT_THAT(refused.error().message, HasSubstr("serves programs that know migration 2"));
  EXPECT_THAT(refused.error().hint, HasSubstr("Upgrade this program"));
  EXPECT_FALSE(Up(one_));
}

// As early versions wrote it.
TEST_F(MigratorTest, Check_AnEarlyTableServesNobodyOlder) {
  ASSERT_TRUE(Up(two_));
  ASSERT_TRUE(Connect()->ExecuteScript("ALTER TABLE house.schema_migrations DROP COLUMN serves",
                                       In(seconds(10))));
  EXPECT_TRUE(Check(two_));
  EXPECT_THAT(Check(one_).error().message, HasSubstr("does not know"));
  EXPECT_THAT(Up(two_).value(), IsEmpty());
  EXPECT_TRUE(Check(two_));
}

TEST_F(MigratorTest, Migrate_AsksBeforeItChangesAnything) {
  ASSERT_TRUE(Up(one_));
  Schema three = two_;
  three.migrations.push_back({3, "walls", "CREATE TABLE house.walls (n int)", 1});
  uint32_t asked = 0;
  const auto refused =
      Migrate(conninfo(), three, seconds(20), [&](const Migration& strictest) -> Result<void> {
        asked = strictest.version;
        EXPECT_EQ(strictest.serves, 2u);
        return Fail(Error{.message = "not now"});
      });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "not now");
  EXPECT_EQ(asked, 2u);
  EXPECT_TRUE(Check(one_));
  EXPECT_FALSE(Check(two_));
  const auto nothing_pending = Migrate(conninfo(), one_, seconds(20), [](const Migration&) {
    ADD_FAILURE() << "asked about nothing";
    return Result<void>();
  });
  EXPECT_TRUE(nothing_pending);
}

TEST_F(MigratorTest, Check_RefusesAChangedMigration) {
  ASSERT_TRUE(Up(one_));
  Schema edited = two_;
  edited.migrations[0].sql = "CREATE TABLE house.rooms (n bigint)";
  EXPECT_THAT(Check(edited).error().message, HasSubstr("another text"));
  EXPECT_THAT(Up(edited).error().message, HasSubstr("another text"));
  const auto statuses = ReadMigrationStatus({conninfo()}, edited, seconds(20));
  ASSERT_EQ(statuses->size(), 2u);
  EXPECT_EQ((*statuses)[0].state, MigrationState::kChanged);
  EXPECT_EQ((*statuses)[1].state, MigrationState::kPending);
}

TEST_F(MigratorTest, Migrate_LeavesNothingOfAMigrationThatFails) {
  Schema broken = two_;
  broken.migrations[1].sql = "CREATE TABLE house.doors (n int); SELECT nonsense";
  EXPECT_THAT(Up(broken).error().message, HasSubstr("migration 2 (doors) failed"));
  EXPECT_THAT(Up(two_).value(), ElementsAre(2));
}

// With somebody who uses the database and has what it waits for.
TEST_F(MigratorTest, Migrate_BeginsAgainAfterADeadlock) {
  constexpr Statement kWaiting{"waiting", "SELECT count(*) FROM pg_locks WHERE NOT granted"};
  ASSERT_TRUE(Up(two_));
  Schema three = two_;
  three.migrations.push_back({3, "windows",
                              "LOCK TABLE house.doors; LOCK TABLE house.rooms;"
                              "CREATE TABLE house.windows (n int)"});
  auto user = Connect();
  auto observer = Connect();
  // So that it is the migration that ends.
  ASSERT_TRUE(user->ExecuteScript(
      "SET deadlock_timeout = '1h'; BEGIN; LOCK TABLE house.rooms IN SHARE MODE", In(seconds(20))));
  auto migration = std::async(std::launch::async, [&] { return Up(three); });
  int64_t waiting = 0;
  while (waiting == 0 && migration.wait_for(seconds(0)) == std::future_status::timeout) {
    auto rows = observer->Execute({.steps = {{&kWaiting, {}}}, .changes = false}, In(seconds(20)));
    ASSERT_TRUE(rows);
    waiting = rows->front()[0].Bigint();
  }

  const auto used = user->ExecuteScript("SELECT FROM house.doors; COMMIT", In(seconds(20)));

  EXPECT_TRUE(used) << used.error().error.message;
  const auto migrated = migration.get();
  ASSERT_TRUE(migrated) << migrated.error().message;
  EXPECT_THAT(*migrated, ElementsAre(3));
}

// A dump, or a transaction that somebody forgot, stands in a migration's way, and every writer
// would stand behind the two of them.
TEST_F(MigratorTest, Migrate_HoldsNoWriterUpBehindAReader) {
  ASSERT_TRUE(Up(two_));
  Schema three = two_;
  three.migrations.push_back({3, "windows", "ALTER TABLE house.rooms ADD COLUMN windows int"});
  auto reader = Connect();
  auto writer = Connect();
  ASSERT_TRUE(reader->ExecuteScript("BEGIN; SELECT FROM house.rooms", In(seconds(10))));
  auto migration = std::async(std::launch::async, [&] { return Up(three); });

  constexpr Duration kNoticed = std::chrono::milliseconds(400);
  const Instant end = In(seconds(15));
  Duration longest{};
  // It tries again, with the reader still there.
  for (int held_up = 0; held_up < 2;) {
    const Instant begin = SystemClock().Now();
    ASSERT_LT(begin, end);
    const auto written =
        writer->ExecuteScript("INSERT INTO house.rooms (n) VALUES (1)", In(seconds(10)));
    ASSERT_TRUE(written) << written.error().error.message;
    const Duration took = SystemClock().Now() - begin;
    longest = std::max(longest, took);
    if (took > kNoticed) ++held_up;
  }
  EXPECT_LT(longest, seconds(3));
  EXPECT_EQ(migration.wait_for(seconds(0)), std::future_status::timeout);

  ASSERT_TRUE(reader->ExecuteScript("COMMIT", In(seconds(10))));
  const auto migrated = migration.get();
  ASSERT_TRUE(migrated) << migrated.error().message;
  EXPECT_THAT(*migrated, ElementsAre(3));
}

TEST_F(MigratorTest, Migrate_NamesWhomItWaitedFor) {
  ASSERT_TRUE(Up(two_));
  Schema three = two_;
  three.migrations.push_back({3, "windows", "ALTER TABLE house.rooms ADD COLUMN windows int"});
  auto reader = Connect();
  ASSERT_TRUE(reader->ExecuteScript("BEGIN; SELECT FROM house.rooms", In(seconds(10))));

  const auto migrated = Migrate(conninfo(), three, seconds(8));

  ASSERT_FALSE(migrated);
  EXPECT_THAT(migrated.error().message, HasSubstr("migration 3 (windows) failed"));
  EXPECT_THAT(migrated.error().message, HasSubstr(fmt::format("{} of ", reader->backend())));
  EXPECT_THAT(migrated.error().message, HasSubstr("(test, idle in transaction)"));
  EXPECT_THAT(migrated.error().hint, HasSubstr("pg_terminate_backend"));
}

TEST_F(MigratorTest, Migrate_ManyAtOnceApplyEachOnce) {
  std::vector<std::thread> threads;
  std::atomic<size_t> applied = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const auto versions = Up(two_);
      EXPECT_TRUE(versions) << versions.error().message;
      if (versions) applied += versions->size();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(applied, 2u);
}

}  // namespace
}  // namespace vigil::pg
