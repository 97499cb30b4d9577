// An observer whose role may use our tables and nothing else.
#include <gtest/gtest.h>

#include "integration/test_server.h"

namespace vigil {
namespace {

using std::chrono::seconds;

// Whether the pod is in this state because its lock is free.
bool IsInState(TestServer& server, v1::PodState state) {
  v1::Pod pod;
  return GetPod(server, "a", &pod).ok() && pod.state() == state &&
         pod.cause() == v1::CAUSE_LOCK_FREE;
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
  const std::string plain = MakePlainRole(database, "plain_observer");
  const SystemClock clock;
  CoordinatorSettings settings;
  settings.timing.trust_window = seconds(1);
  const Duration grace = GraceFor(Profile::kStrict, settings.timing.default_lease, settings.timing);
  auto lost = std::make_unique<TestServer>(database.conninfo(), settings);
  ASSERT_TRUE(lost->WaitUntilReady());
  RawPod pod(*lost, "a", v1::PROFILE_STRICT);
  lost.reset();  // before the lease has ended, so that it judges nobody
  TestServer observer(plain, settings);
  ASSERT_TRUE(observer.WaitUntilReady());
  ASSERT_TRUE(Reaches(observer, v1::POD_STATE_SUSPECT));
  for (const Instant half = clock.Now() + grace / 2; clock.Now() < half;) {
    ASSERT_TRUE(IsInState(observer, v1::POD_STATE_SUSPECT));
  }
  const Instant cut = clock.Now();
  RunAsSuperuser(database.conninfo(),
                 "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                 " WHERE usename = 'plain_observer' AND application_name = 'vigil store'");
  ASSERT_TRUE(Reaches(observer, v1::POD_STATE_DEAD));
  EXPECT_GE(clock.Now() - cut, grace);
}

}  // namespace
}  // namespace vigil
