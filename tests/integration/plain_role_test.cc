// An observer whose role may use our tables and nothing else.
#include <gtest/gtest.h>

#include "integration/test_server.h"
#include "pg/connection.h"

namespace vigil {
namespace {

using std::chrono::seconds;

void RunAsSuperuser(const TestDatabase& database, const std::string& sql) {
  const Instant deadline = SystemClock().Now() + seconds(20);
  auto connection = pg::Connection::Open({database.conninfo(), "test", {}}, deadline);
  ASSERT_TRUE(connection) << connection.error().error.message;
  const auto done = (*connection)->ExecuteScript(sql, deadline);
  ASSERT_TRUE(done) << done.error().error.message;
}

// Whether the pod is in this state because its lock is free.
bool IsInState(TestServer& server, v1::PodState state) {
  v1::GetPodRequest request;
  request.set_namespace_("default");
  request.set_name("a");
  v1::GetPodResponse response;
  return server.pods().GetPod(InTime().get(), request, &response).ok() &&
         response.pod().state() == state && response.pod().cause() == v1::CAUSE_LOCK_FREE;
}

// Asks until it is. False: it was not within 20 seconds.
bool Reaches(TestServer& server, v1::PodState state) {
  const SystemClock clock;
  const Instant limit = clock.Now() + seconds(20);
  while (!IsInState(server, state)) {
    if (clock.Now() > limit) return false;
  }
  return true;
}

// P9: with a new session of its own such an observer cannot know that the lock table is still the
// one that it saw.
TEST(PlainRole, ANewSessionStartsTheGraceAnew) {
  const TestDatabase database;
  RunAsSuperuser(database,
                 "CREATE ROLE plain_observer LOGIN PASSWORD 'plain';"
                 "GRANT USAGE ON SCHEMA vigil TO plain_observer;"
                 "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA vigil"
                 "  TO plain_observer;"
                 "GRANT USAGE ON ALL SEQUENCES IN SCHEMA vigil TO plain_observer");
  const SystemClock clock;
  CoordinatorSettings settings;
  settings.timing.trust_window = seconds(1);
  const Duration grace = GraceFor(Profile::kStrict, settings.timing.default_lease, settings.timing);
  auto lost = std::make_unique<TestServer>(database.conninfo(), settings);
  ASSERT_TRUE(lost->WaitUntilReady());
  RawPod pod(*lost, "a", v1::PROFILE_STRICT);
  lost.reset();  // before the lease has ended, so that it judges nobody
  TestServer observer(database.conninfo() + " user=plain_observer password=plain", settings);
  ASSERT_TRUE(observer.WaitUntilReady());
  ASSERT_TRUE(Reaches(observer, v1::POD_STATE_SUSPECT));
  for (const Instant half = clock.Now() + grace / 2; clock.Now() < half;) {
    ASSERT_TRUE(IsInState(observer, v1::POD_STATE_SUSPECT));
  }
  const Instant cut = clock.Now();
  RunAsSuperuser(database,
                 "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                 " WHERE usename = 'plain_observer' AND application_name = 'vigil store'");
  ASSERT_TRUE(Reaches(observer, v1::POD_STATE_DEAD));
  EXPECT_GE(clock.Now() - cut, grace);
}

}  // namespace
}  // namespace vigil
