// A database that has no room left: what is there goes on, and what is new is told why it cannot
// come.   (P9, P11)
#include <gtest/gtest.h>

#include "integration/test_server.h"
#include "pg/connection.h"
#include "store/postgres/schema.h"

namespace vigil {
namespace {

using std::chrono::seconds;

TEST(Capacity, LockTable_NewPodsAreRefusedAndTheOthersGoOn) {
  // It guarantees 10 x 40 locks.
  auto cluster = pg::PrivateCluster::Start(
      {.fsync = false,
       .settings = {{"max_locks_per_transaction", "10"}, {"max_connections", "40"}}});
  ASSERT_TRUE(cluster) << cluster.error().message;
  ASSERT_TRUE(pg::Migrate((*cluster)->Conninfo(), PostgresSchema(), seconds(60)));
  TestServer server((*cluster)->Conninfo());
  ASSERT_TRUE(server.WaitUntilReady());
  RawPod pod(server, "a");
  const Instant deadline = SystemClock().Now() + seconds(60);
  const auto stranger = pg::Connection::Open({(*cluster)->Conninfo(), "test", {}}, deadline);
  ASSERT_TRUE(stranger) << stranger.error().error.message;
  ASSERT_TRUE((*stranger)->ExecuteScript(
      "SELECT pg_advisory_lock(n) FROM generate_series(1, 320) AS n", deadline));

  const auto refused = AwaitAnswer(server, pod, grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << refused.error_message();
  EXPECT_EQ(InfoOf(refused).reason(), "LIMIT_REACHED");
  EXPECT_EQ(InfoOf(refused).metadata().at("limit"), "lock-table-percent");
  EXPECT_NE(InfoOf(refused).metadata().at("hint").find("max_locks_per_transaction"),
            std::string::npos);
  EXPECT_TRUE(pod.Beat());
  RawPod resumed(server, pod.registered());
  EXPECT_EQ(resumed.incarnation(), pod.incarnation()) << "a pod that moves is let in";

  ASSERT_TRUE((*stranger)->ExecuteScript("SELECT pg_advisory_unlock_all()", deadline));
  const auto again = AwaitAnswer(server, resumed, grpc::StatusCode::OK);
  EXPECT_TRUE(again.ok()) << again.error_message();
}

TEST(Capacity, Connections_WhatIsThereGoesOnAndTheRestComesBack) {
  const TestDatabase database;
  TestServer server(MakePlainRole(database, "crowded"));
  ASSERT_TRUE(server.WaitUntilReady());
  RawPod pod(server, "a", v1::PROFILE_STRICT);

  // From here on nobody gets in, and those who are in are put out.
  RunAsSuperuser(database.conninfo(), "ALTER ROLE crowded CONNECTION LIMIT 0");
  RunAsSuperuser(
      database.conninfo(),
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'crowded'");
  const auto refused = AwaitAnswer(server, pod, grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(InfoOf(refused).reason(), "DATABASE_UNAVAILABLE") << refused.error_message();
  const auto status = GetPod(server, "a");
  EXPECT_EQ(InfoOf(status).reason(), "DATABASE_UNAVAILABLE");
  EXPECT_EQ(status.error_message(), "the database of this coordinator is not available")
      << "why is for the log: whoever may look at a pod need not know the database";
  EXPECT_TRUE(pod.Beat()) << "the trust window outlasts it";

  RunAsSuperuser(database.conninfo(), "ALTER ROLE crowded CONNECTION LIMIT -1");
  const auto again = AwaitAnswer(server, pod, grpc::StatusCode::OK);
  EXPECT_TRUE(again.ok()) << again.error_message();
  EXPECT_TRUE(pod.Beat());
}

// P2: a verdict needs no connection that is not there yet.
TEST(Capacity, Connections_AVerdictNeedsNoNewOne) {
  constexpr pg::Statement kCount{"count",
                                 "SELECT count(*) FROM pg_stat_activity WHERE usename = 'settled'"};
  const TestDatabase database;
  TestServer server(MakePlainRole(database, "settled"));
  ASSERT_TRUE(server.WaitUntilReady());
  RawPod pod(server, "a", v1::PROFILE_FAST);
  const SystemClock clock;
  const Instant limit = clock.Now() + seconds(15);
  const auto stranger = pg::Connection::Open({database.conninfo(), "test", {}}, limit);
  ASSERT_TRUE(stranger) << stranger.error().error.message;
  int64_t connections = 0;
  while (connections < ConnectionsOf(Config()) && clock.Now() < limit) {
    EXPECT_TRUE(pod.Beat());
    const auto rows = (*stranger)->Execute({.steps = {{&kCount, {}}}, .changes = false}, limit);
    ASSERT_TRUE(rows);
    connections = rows->front()[0].Bigint();
  }
  EXPECT_EQ(connections, ConnectionsOf(Config()));
  RunAsSuperuser(database.conninfo(), "ALTER ROLE settled CONNECTION LIMIT 0");

  pod.Break();
  v1::Pod seen;
  while (seen.state() != v1::POD_STATE_DEAD && clock.Now() < limit) {
    ASSERT_TRUE(GetPod(server, "a", &seen).ok());
  }
  EXPECT_EQ(seen.state(), v1::POD_STATE_DEAD);
  EXPECT_EQ(seen.cause(), v1::CAUSE_STREAM_ENDED);
}

}  // namespace
}  // namespace vigil
