// Postgres restarts, is away, or ends sessions of ours, and nobody has died of it.   (P9)
#include <algorithm>
#include <random>

#include "crowd.h"
#include "measured.h"
#include "scenario.h"

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Shutdown = pg::PrivateCluster::Shutdown;

constexpr int kCoordinators = 3;

class PostgresFaults : public Scenario {
 protected:
  // In full: the defaults, T = 15 s and L = 3 s.
  void Start(Duration short_trust_window, int pods) {
    trust_window_ = FullOr<Duration>(seconds(15), short_trust_window);
    lease_ = FullOr<Duration>(seconds(3), seconds(1));
    VigilCluster::Options options{.coordinators = kCoordinators};
    if (!InFull()) {
      options.settings = {"--trust-window",
                          std::to_string(short_trust_window / milliseconds(1)) + "ms"};
    }
    ASSERT_NO_FATAL_FAILURE(StartCluster(options));
    ASSERT_NO_FATAL_FAILURE(StartCrowd("strict-", client::Profile::kStrict, 0, pods / 2));
    ASSERT_NO_FATAL_FAILURE(StartCrowd("fast-", client::Profile::kFast, 1, pods - pods / 2));
    ASSERT_TRUE(Settled());
  }

  bool Settled() { return Database().AwaitSettled(pods(), kCoordinators, seconds(60)); }

  // So many rounds of a fault, each until every lock is held again and nobody is suspected of
  // anything.
  void Endure(int rounds, const std::function<void()>& fault) {
    ASSERT_NO_FATAL_FAILURE(Start(seconds(8), 50));
    for (rounds_ = 0; rounds_ < rounds; ++rounds_) {
      const Instant began = Now();
      ASSERT_NO_FATAL_FAILURE(fault());
      ASSERT_TRUE(Settled());
      TakeDown("every lock is held again", Now() - began);
    }
    ExpectNobodyHarmed();
  }

  // In full even the longest grace passes, in which whoever had been suspected would die.
  void ExpectNobodyHarmed() {
    EXPECT_FALSE(log().Await(Of(client::EventKind::kPodDied),
                             FullOr<Duration>(Grace() + seconds(2), seconds(2))));
    ExpectNone("deaths", log().Count(Of(client::EventKind::kPodDied)), std::max(rounds_, 1));
    size_t lost = 0;
    for (const auto& crowd : crowds_) lost += crowd->lost() + crowd->changed();
    ExpectNone("LOST", lost, std::max(rounds_, 1));
    EXPECT_EQ(log().Count(Of(client::EventKind::kPodRegistered)), static_cast<size_t>(pods()));
  }

  // The coordinators' backends; which one comes first is left to chance. None when they cannot be
  // read, which fails the test.
  std::vector<pid_t> BackendsByChance() {
    auto backends = Database().Backends();
    if (!backends) {
      ADD_FAILURE() << backends.error().message;
      return {};
    }
    std::shuffle(backends->begin(), backends->end(), random_);
    return *backends;
  }

  int pods() const {
    int all = 0;
    for (const auto& crowd : crowds_) all += crowd->size();
    return all;
  }

  Duration Grace() const { return StrictGrace(trust_window_, lease_); }
  Duration trust_window() const { return trust_window_; }
  Duration lease() const { return lease_; }
  Crowd& crowd(size_t number) { return *crowds_.at(number); }

 private:
  void StartCrowd(const std::string& prefix, client::Profile profile, int first, int size) {
    auto connected = cluster().Connect(first);
    ASSERT_TRUE(connected);
    crowds_.push_back(std::make_unique<Crowd>(
        *connected,
        Crowd::Options{.prefix = prefix, .size = size, .profile = profile, .lease = lease_}));
    ASSERT_EQ(crowds_.back()->AwaitRegistered(), "");
  }

  std::mt19937 random_{1};
  int rounds_ = 0;
  Duration trust_window_{};
  Duration lease_{};
  std::vector<std::unique_ptr<Crowd>> crowds_;
};

class PostgresRestarts : public PostgresFaults {
 protected:
  static int Rounds() { return FullOr(25, 2); }

  void Restart(Shutdown how) {
    Endure(Rounds(), [&] { ASSERT_TRUE(Postgres().Restart(how)); });
  }
};

// P9
TEST_F(PostgresRestarts, PostgresRestartedFast_NobodyDies) { Restart(Shutdown::kFast); }

// P9
TEST_F(PostgresRestarts, PostgresRestartedImmediately_NobodyDies) { Restart(Shutdown::kImmediate); }

// P9: Postgres ends all sessions and starts anew, with the same postmaster.
TEST_F(PostgresRestarts, BackendKilled_NobodyDies) {
  Endure(Rounds(), [&] {
    const auto backends = BackendsByChance();
    ASSERT_FALSE(backends.empty());
    ASSERT_TRUE(Postgres().KillBackend(backends.front()));
    // All of the others are ended by the postmaster.
    for (const pid_t backend : backends) ASSERT_TRUE(AwaitGone(backend, kPatience));
  });
}

// P9: of whatever kind the session is.
TEST_F(PostgresFaults, SessionTerminated_NobodyDies) {
  Endure(FullOr(50, 10), [&] {
    const auto backends = BackendsByChance();
    ASSERT_FALSE(backends.empty());
    ASSERT_TRUE(Database().Terminate(backends.front()));
    ASSERT_TRUE(AwaitGone(backends.front(), kPatience));
  });
}

// P9
TEST_F(PostgresFaults, PostgresAwayForLessThanTheTrustWindow_NobodyNotices) {
  ASSERT_NO_FATAL_FAILURE(Start(seconds(6), 50));

  const Duration outage = FullOr<Duration>(seconds(10), seconds(3));
  const Instant stopped = Now();
  ASSERT_TRUE(Postgres().Stop(Shutdown::kFast));
  EXPECT_FALSE(crowd(0).AwaitOneLost(stopped + outage - Now()));
  ASSERT_TRUE(Postgres().StartAgain());

  ASSERT_TRUE(Settled());
  TakeDown("every lock is held again", Now() - stopped - outage);
  ExpectNobodyHarmed();
}

// P7, P9: the pods stop by themselves, and nobody is told that they are dead before a full grace
// has passed after the return.
TEST_F(PostgresFaults, PostgresAwayForLongerThanTheTrustWindow_LostByItsEndAndDeadOnlyAGraceLater) {
  ASSERT_NO_FATAL_FAILURE(Start(seconds(2), 10));
  const client::Work work(client(), "default");
  std::vector<client::Incarnation> before;
  for (int i = 0; i < crowd(0).size(); ++i) {
    before.push_back(crowd(0).pod(i).standing().incarnation);
    ASSERT_TRUE(work.Start(before.back(), crowd(0).name(i)));
  }

  const Duration outage = FullOr<Duration>(seconds(60), seconds(4));
  const Instant stopped = Now();
  ASSERT_TRUE(Postgres().Stop(Shutdown::kFast));
  for (size_t profile : {0, 1}) {
    const auto lost = crowd(profile).AwaitAll(Lost, trust_window() + lease() + kPatience);
    ASSERT_FALSE(lost.empty());
    for (const Instant at : lost) ExpectWithin("LOST", at - stopped, trust_window() + lease());
  }
  EXPECT_FALSE(log().Await(Of(client::EventKind::kPodDied), stopped + outage - Now()));
  const Instant returned = Now();
  ASSERT_TRUE(Postgres().StartAgain());

  auto connected = cluster().Connect();
  ASSERT_TRUE(connected);
  Crowd successors(*connected, {.prefix = "strict-",
                                .size = crowd(0).size(),
                                .lease = lease(),
                                .wait_for_name = seconds(60)});
  // So many on weak evidence are held for one more grace. Some seconds for Postgres to start, for
  // the coordinators to find it, and for the probes.
  const Duration longest = 2 * Grace() + seconds(8);
  for (int i = 0; i < crowd(0).size(); ++i) {
    const auto died =
        ExpectEvent("died", Of(client::EventKind::kPodDied, crowd(0).name(i)), longest);
    EXPECT_GE(died.at - returned, Grace());
    ExpectWithin("DEAD after the return", died.at - returned, longest);
    EXPECT_EQ(died.event.incarnation, before[static_cast<size_t>(i)]);
  }
  ASSERT_EQ(successors.AwaitRegistered(), "");
  for (int i = 0; i < successors.size(); ++i) {
    const auto registration = successors.pod(i).AwaitRegistration();
    ASSERT_TRUE(registration);
    EXPECT_GT(registration->pod.incarnation, before[static_cast<size_t>(i)]);
    ASSERT_EQ(registration->predecessors_work.size(), 1U);
    EXPECT_EQ(registration->predecessors_work[0].key, successors.name(i));
    EXPECT_EQ(registration->predecessors_work[0].owner, before[static_cast<size_t>(i)]);
  }
  ExpectEvent("died", Of(client::EventKind::kPodDied, crowd(1).name(0)));
}

}  // namespace
}  // namespace vigil
