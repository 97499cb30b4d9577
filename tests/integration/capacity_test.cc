// A database that has no room left: what is there goes on, and what is new is told why it cannot
// come.   (P9, P11)
#include <gtest/gtest.h>

#include "integration/test_server.h"
#include "pg/connection.h"
#include "store/postgres/schema.h"

namespace vigil {
namespace {

using std::chrono::seconds;

std::unique_ptr<pg::Connection> Connect(const std::string& conninfo) {
  auto connection = pg::Connection::Open({conninfo, "test", {}}, SystemClock().Now() + seconds(20));
  if (connection) return std::move(*connection);
  ADD_FAILURE() << connection.error().error.message;
  std::abort();
}

void Execute(pg::Connection& connection, const std::string& sql) {
  const auto done = connection.ExecuteScript(sql, SystemClock().Now() + seconds(20));
  ASSERT_TRUE(done) << done.error().error.message;
}

// Registers once, and leaves at once if it was let in.
grpc::Status TryToRegister(TestServer& server) {
  static int count = 0;
  const auto context = InTime();
  const auto stream = server.pods().Session(context.get());
  v1::SessionRequest request;
  request.mutable_register_()->set_namespace_("default");
  request.mutable_register_()->set_name("newcomer");
  request.mutable_register_()->set_registration_id("capacity-newcomer-" + std::to_string(++count));
  stream->Write(request);
  v1::SessionResponse response;
  if (!stream->Read(&response)) return stream->Finish();
  v1::SessionRequest farewell;
  farewell.mutable_leave();
  stream->Write(farewell);
  while (stream->Read(&response)) {
  }
  return stream->Finish();
}

// Tries until the answer is this one, while the pod beats on. The last answer.
grpc::Status AwaitAnswer(TestServer& server, RawPod& pod, grpc::StatusCode code) {
  const SystemClock clock;
  const Instant limit = clock.Now() + seconds(15);
  grpc::Status answer = TryToRegister(server);
  while (answer.error_code() != code && clock.Now() < limit) {
    EXPECT_TRUE(pod.Beat());
    answer = TryToRegister(server);
  }
  return answer;
}

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
  auto stranger = Connect((*cluster)->Conninfo());
  Execute(*stranger, "SELECT pg_advisory_lock(n) FROM generate_series(1, 320) AS n");

  const auto refused = AwaitAnswer(server, pod, grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << refused.error_message();
  EXPECT_EQ(InfoOf(refused).reason(), "LIMIT_REACHED");
  EXPECT_EQ(InfoOf(refused).metadata().at("limit"), "lock-table-percent");
  EXPECT_NE(InfoOf(refused).metadata().at("hint").find("max_locks_per_transaction"),
            std::string::npos);
  EXPECT_TRUE(pod.Beat());
  RawPod resumed(server, pod.registered());
  EXPECT_EQ(resumed.incarnation(), pod.incarnation()) << "a pod that moves is let in";

  Execute(*stranger, "SELECT pg_advisory_unlock_all()");
  const auto again = AwaitAnswer(server, resumed, grpc::StatusCode::OK);
  EXPECT_TRUE(again.ok()) << again.error_message();
}

TEST(Capacity, Connections_WhatIsThereGoesOnAndTheRestComesBack) {
  const TestDatabase database;
  auto admin = Connect(database.conninfo());
  Execute(*admin,
          "CREATE ROLE crowded LOGIN PASSWORD 'crowded';"
          "GRANT USAGE ON SCHEMA vigil TO crowded;"
          "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA vigil TO crowded;"
          "GRANT USAGE ON ALL SEQUENCES IN SCHEMA vigil TO crowded");
  TestServer server(database.conninfo() + " user=crowded password=crowded");
  ASSERT_TRUE(server.WaitUntilReady());
  RawPod pod(server, "a", v1::PROFILE_STRICT);

  // From here on nobody gets in, and those who are in are put out.
  Execute(*admin, "ALTER ROLE crowded CONNECTION LIMIT 0");
  Execute(*admin,
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'crowded'");
  const auto refused = AwaitAnswer(server, pod, grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(InfoOf(refused).reason(), "DATABASE_UNAVAILABLE") << refused.error_message();
  v1::GetPodRequest request;
  request.set_namespace_("default");
  request.set_name("a");
  v1::GetPodResponse response;
  const auto status = server.pods().GetPod(InTime().get(), request, &response);
  EXPECT_EQ(InfoOf(status).reason(), "DATABASE_UNAVAILABLE");
  EXPECT_NE(status.error_message().find("53300: too many connections"), std::string::npos)
      << status.error_message();
  EXPECT_NE(InfoOf(status).metadata().at("hint").find("CONNECTION LIMIT"), std::string::npos);
  EXPECT_TRUE(pod.Beat()) << "the trust window outlasts it";

  Execute(*admin, "ALTER ROLE crowded CONNECTION LIMIT -1");
  const auto again = AwaitAnswer(server, pod, grpc::StatusCode::OK);
  EXPECT_TRUE(again.ok()) << again.error_message();
  EXPECT_TRUE(pod.Beat());
}

}  // namespace
}  // namespace vigil
