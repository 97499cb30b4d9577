#include <gtest/gtest.h>
#include <libpq-fe.h>

#include "store/postgres/postgres_database.h"
#include "support/store_test_database.h"
#include "support/store_world.h"

namespace vigil {
namespace {

class PostgresWorld final : public StoreWorld {
 public:
  Database& database() override { return database_; }

  void EndSession(Backend backend) override {
    std::string conninfo = TestCluster().Conninfo();
    std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(conninfo.c_str()),
                                                            &PQfinish);
    std::string pid = std::to_string(backend.value);
    const char* values[] = {pid.c_str()};
    std::unique_ptr<PGresult, decltype(&PQclear)> result(
        PQexecParams(connection.get(), "SELECT pg_terminate_backend($1)", 1, nullptr, values,
                     nullptr, nullptr, 0),
        &PQclear);
    ASSERT_EQ(PQresultStatus(result.get()), PGRES_TUPLES_OK) << PQerrorMessage(connection.get());
  }

  void Restart() override {
    auto restarted = TestCluster().Restart(pg::PrivateCluster::Shutdown::kFast);
    ASSERT_TRUE(restarted) << restarted.error().message;
  }

 private:
  TestDatabase test_database_;
  // No test is idle for as long as this, so that a session is lost only when a test says so.
  PostgresDatabase database_{
      loop(),
      {.conninfo = test_database_.conninfo(), .idle_session_timeout = std::chrono::minutes(5)}};
};

}  // namespace

StoreWorldMaker PostgresWorlds() {
  return {"Postgres", [] { return std::make_unique<PostgresWorld>(); }};
}

}  // namespace vigil
