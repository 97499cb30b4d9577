#include "support/store_test_database.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

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

}  // namespace vigil
