#include <gtest/gtest.h>

#include "store/postgres/postgres_database.h"
#include "support/store_test_database.h"
#include "support/store_world.h"

namespace vigil {
namespace {

class PostgresWorld final : public StoreWorld {
 public:
  Database& database() override { return database_; }

  void EndSession(Backend backend) override {
    RunAsSuperuser(test_database_.conninfo(),
                   "SELECT pg_terminate_backend(" + std::to_string(backend.value) + ")");
  }

  void Restart() override {
    auto restarted = TestCluster().Restart(pg::PrivateCluster::Shutdown::kFast);
    ASSERT_TRUE(restarted) << restarted.error().message;
  }

  void LoseEvents(const std::string& ns, Seq head) override {
    vigil::LoseEvents(test_database_, ns, head);
  }

  void Age(Duration by) override { vigil::Age(test_database_, by); }

 private:
  TestDatabase test_database_;
  // No test is idle for as long as this, so that a session is lost only when a test says so.
  PostgresDatabase database_{
      loop(),
      loop(),
      {.conninfo = test_database_.conninfo(), .idle_session_timeout = std::chrono::minutes(5)}};
};

}  // namespace

StoreWorldMaker PostgresWorlds() {
  return {"Postgres", [] { return std::make_unique<PostgresWorld>(); }};
}

}  // namespace vigil
