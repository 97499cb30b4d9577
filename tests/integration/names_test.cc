// Name servers that go together with the database.   (P9, P10)
#include <gtest/gtest.h>

#include "integration/http_client.h"
#include "integration/test_server.h"
#include "support/held_names.h"

namespace vigil {
namespace {

using std::chrono::seconds;

constexpr auto kPatience = seconds(15);

TEST(Names, LookUpsThatHangStopNeitherLeasesNorTheSignsOfLife) {
  constexpr Duration kDeadline = seconds(1);
  constexpr Duration kTrust = seconds(3);
  CoordinatorSettings settings;
  settings.timing.trust_window = kTrust;
  TestDatabase database;
  HeldNames held;
  TestServer server(database.conninfo() + " host=db.test", settings, 100, kDeadline, held.names());
  ASSERT_TRUE(server.WaitUntilReady());
  RawPod pod(server, "a");
  ASSERT_GT(held.asked("db.test"), 0);

  held.Hold("db.test");
  RunAsSuperuser(TestCluster().Conninfo(),
                 "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" +
                     database.name() + "'");
  const SystemClock clock;
  const Instant away = clock.Now();
  Duration granted{};
  Duration slowest{};
  // For longer than a reading of the log may take before it counts as one that never comes back.
  while (clock.Now() - away < 5 * kDeadline + kTrust) {
    const Instant asked = clock.Now();
    if (pod.Beat()) granted = asked - away;
    slowest = std::max(slowest, clock.Now() - asked);
    ASSERT_EQ(Fetch(server.http_port(), "/livez").status, 200);
  }
  EXPECT_GT(granted, kTrust - seconds(1));
  EXPECT_LT(granted, kTrust);
  EXPECT_LT(slowest, kTrust);

  held.Release();
  const Instant limit = clock.Now() + kPatience;
  while (!pod.Beat()) ASSERT_LT(clock.Now(), limit) << "the database is back";
}

}  // namespace
}  // namespace vigil
