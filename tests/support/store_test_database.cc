#include "support/store_test_database.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "pg/connection.h"
#include "store/postgres/schema.h"

namespace vigil {
namespace {

constexpr auto kTemplate = "vigil_template";
constexpr auto kMigrationDeadline = std::chrono::seconds(60);

// A suite without its Postgres has nothing to say.
template <typename T>
T Must(const char* what, Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s: %s\n", what, result.error().message.c_str());
    std::abort();
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

std::unique_ptr<pg::PrivateCluster> StartMigrated() {
  auto cluster = Must("starting Postgres", pg::PrivateCluster::Start({.fsync = false}));
  Must("creating the template", cluster->CreateDatabase(kTemplate));
  Must("migrating the template",
       pg::Migrate(cluster->Conninfo(kTemplate), PostgresSchema(), kMigrationDeadline));
  return cluster;
}

}  // namespace

pg::PrivateCluster& TestCluster() {
  static std::unique_ptr<pg::PrivateCluster> cluster = StartMigrated();
  return *cluster;
}

TestDatabase::TestDatabase() {
  static std::atomic<int> databases = 0;
  name_ = "test_" + std::to_string(++databases);
  Must("creating a database", TestCluster().CreateDatabase(name_, kTemplate));
}

TestDatabase::~TestDatabase() {
  auto dropped = TestCluster().DropDatabase(name_);
  if (!dropped) ADD_FAILURE() << "dropping " << name_ << ": " << dropped.error().message;
}

void RunAsSuperuser(const std::string& conninfo, const std::string& sql) {
  const Instant deadline = SystemClock().Now() + std::chrono::seconds(20);
  auto connection = pg::Connection::Open({conninfo, "test", {}}, deadline);
  ASSERT_TRUE(connection) << connection.error().error.message;
  const auto done = (*connection)->ExecuteScript(sql, deadline);
  ASSERT_TRUE(done) << done.error().error.message;
}

void LoseEvents(const TestDatabase& database, const std::string& ns, Seq head) {
  RunAsSuperuser(database.conninfo(),
                 fmt::format("DELETE FROM vigil.events WHERE namespace = '{0}' AND seq > {1};"
                             "UPDATE vigil.namespaces SET head = {1} WHERE name = '{0}'",
                             ns, head.value));
}

void Age(const TestDatabase& database, Duration by) {
  RunAsSuperuser(
      database.conninfo(),
      fmt::format(
          "UPDATE vigil.events SET occurred_at = occurred_at - interval '{0} milliseconds';"
          "UPDATE vigil.pods SET ended_at = ended_at - interval '{0} milliseconds';"
          "UPDATE vigil.work_items SET updated_at = updated_at - interval '{0} milliseconds',"
          " owned_at = owned_at - interval '{0} milliseconds';"
          "UPDATE vigil.coordinators SET ended_at = ended_at - interval '{0} milliseconds';"
          "UPDATE vigil.last_probe SET probed_at = probed_at - interval '{0} milliseconds'",
          std::chrono::duration_cast<std::chrono::milliseconds>(by).count()));
}

std::string MakePlainRole(const TestDatabase& database, const std::string& role) {
  RunAsSuperuser(
      database.conninfo(),
      fmt::format("CREATE ROLE {0} LOGIN PASSWORD '{0}';"
                  "GRANT USAGE ON SCHEMA vigil TO {0};"
                  "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA vigil TO {0};"
                  "GRANT USAGE ON ALL SEQUENCES IN SCHEMA vigil TO {0}",
                  role));
  return database.conninfo() + " user=" + role + " password=" + role;
}

}  // namespace vigil
