// Several coordinators behind one address, as behind a Service or a load balancer.
#include <csignal>

#include "crowd.h"
#include "measured.h"
#include "scenario.h"
#include "support/relay.h"

namespace vigil {
namespace {

using std::chrono::seconds;

constexpr size_t kFollowers = 4;

// P8, P9: the balancer goes on leading connections to a coordinator that drains, too.
TEST_F(Scenario, OneAddressRollingRestart_NobodyIsSuspendedAndNothingIsMissed) {
  ASSERT_NO_FATAL_FAILURE(
      StartCluster({.coordinators = 2, .settings = {"--drain-timeout", "40s"}}));
  const auto balancer = Relay::Start({cluster().port(0), cluster().port(1)});
  ASSERT_TRUE(balancer) << balancer.error().message;
  // Each pod and each subscriber is a process of its own elsewhere, with a connection of its own.
  std::vector<client::Client> clients;
  std::vector<std::unique_ptr<Crowd>> pods;
  std::vector<std::unique_ptr<EventRecorder>> followers;
  const auto connect = [&]() -> const client::Client& {
    clients.push_back(client::Client::Create({.addresses = {(*balancer)->address()}}).value());
    return clients.back();
  };
  const int size = FullOr(60, 16);
  clients.reserve(static_cast<size_t>(size) + kFollowers);
  for (int i = 0; i < size; ++i) {
    pods.push_back(std::make_unique<Crowd>(
        connect(), Crowd::Options{.prefix = std::to_string(i) + "-", .size = 1}));
  }
  for (size_t i = 0; i < kFollowers; ++i) {
    followers.push_back(std::make_unique<EventRecorder>(connect(), "default"));
  }
  for (const auto& pod : pods) ASSERT_EQ(pod->AwaitRegistered(), "");

  const int rounds = FullOr(3, 1);
  for (int restart = 0; restart < 2 * rounds; ++restart) {
    const int place = restart % 2;
    const Instant told = Now();
    cluster().coordinator(place).Signal(SIGTERM);
    EXPECT_EQ(cluster().coordinator(place).AwaitEnd(seconds(60)), 0);
    // Before it would end the streams of those that do not move.
    ExpectWithin("all have left a coordinator that drains", Now() - told, seconds(30));
    const auto again = cluster().StartAgain(place);
    ASSERT_TRUE(again) << again.error().message;
  }

  size_t lost = 0, suspended = 0, changed = 0;
  for (const auto& pod : pods) {
    lost += pod->lost();
    suspended += pod->suspended();
    changed += pod->changed();
  }
  ExpectNone("SUSPENDED", suspended, 2 * rounds);
  ExpectNone("LOST", lost, 2 * rounds);
  ExpectNone("deaths", log().Count(Of(client::EventKind::kPodDied)), 2 * rounds);
  EXPECT_EQ(changed, 0U);
  ExpectAllHeardToTheEnd(followers);
}

// P9: the pods and subscriptions of one process have one connection, and move together.
TEST_F(Scenario, OneAddressDrain_ThePodsOfAProcessStayOnOneConnection) {
  ASSERT_NO_FATAL_FAILURE(
      StartCluster({.coordinators = 2, .settings = {"--drain-timeout", "40s"}}));
  const auto balancer = Relay::Start({cluster().port(0), cluster().port(1)});
  ASSERT_TRUE(balancer) << balancer.error().message;
  const auto client = client::Client::Create({.addresses = {(*balancer)->address()}});
  ASSERT_TRUE(client);
  Crowd pods(*client, {.size = 20});
  EventRecorder follower(*client, "default");
  ASSERT_EQ(pods.AwaitRegistered(), "");
  ASSERT_EQ((*balancer)->connections_ever(), 1U);

  constexpr int kRestarts = 4;
  for (int restart = 0; restart < kRestarts; ++restart) {
    const auto host = pods.pod(0).standing().coordinator;
    const int place = host == cluster().number(0) ? 0 : 1;
    cluster().coordinator(place).Signal(SIGTERM);
    EXPECT_EQ(cluster().coordinator(place).AwaitEnd(seconds(60)), 0);
    EXPECT_FALSE(pods.AwaitAll(HostedElsewhere(host), kPatience).empty());
    EXPECT_LE((*balancer)->connections(), 3U);
    const auto again = cluster().StartAgain(place);
    ASSERT_TRUE(again) << again.error().message;
  }
  // Some questions of each drain come to the one that drains, but not one of each pod.
  EXPECT_LT((*balancer)->connections_ever(), static_cast<size_t>(kRestarts * pods.size()));
  ExpectNone("SUSPENDED", pods.suspended(), kRestarts);
  ExpectNone("LOST", pods.lost(), kRestarts);
}

// P9: every second connection leads to the coordinator that has lost its database, too.
TEST_F(Scenario, OneAddressCoordinatorLosesItsDatabase_ItsPodsMoveAndNobodyIsSuspended) {
  const auto relay = Relay::Start(Postgres().port());
  ASSERT_TRUE(relay) << relay.error().message;
  VigilCluster::Options options{.coordinators = 2};
  options.conninfo = [&](const std::string& database, int place) {
    const std::string direct = Postgres().Conninfo(database);
    return place == 0 ? direct + " host=127.0.0.1 port=" + std::to_string((*relay)->port())
                      : direct;
  };
  ASSERT_NO_FATAL_FAILURE(StartCluster(options));
  ASSERT_NO_FATAL_FAILURE(WatchFrom(1));
  const auto balancer = Relay::Start({cluster().port(0), cluster().port(1)});
  ASSERT_TRUE(balancer) << balancer.error().message;
  std::vector<std::unique_ptr<Crowd>> pods;
  for (int i = 0; i < FullOr(40, 8); ++i) {
    const auto client = client::Client::Create({.addresses = {(*balancer)->address()}});
    ASSERT_TRUE(client);
    pods.push_back(
        std::make_unique<Crowd>(*client, Crowd::Options{.prefix = std::to_string(i) + "-"}));
  }
  for (const auto& pod : pods) ASSERT_EQ(pod->AwaitRegistered(), "");

  const Instant cut = Now();
  (*relay)->Stall();
  size_t lost = 0, suspended = 0;
  for (const auto& pod : pods) {
    EXPECT_FALSE(pod->AwaitAll(HostedElsewhere(cluster().number(0)), seconds(40)).empty());
    lost += pod->lost();
    suspended += pod->suspended();
  }
  // The default trust window and a lease.
  ExpectWithin("all have left a coordinator without a database", Now() - cut, seconds(18));
  ExpectNone("SUSPENDED", suspended);
  ExpectNone("LOST", lost);
  ExpectNone("deaths", log().Count(Of(client::EventKind::kPodDied)));
  (*relay)->Restore();
}

}  // namespace
}  // namespace vigil
