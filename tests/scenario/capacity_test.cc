// The database has no room left: for locks, or for connections.
#include "crowd.h"
#include "measured.h"
#include "scenario.h"

namespace vigil {
namespace {

using std::chrono::seconds;

constexpr int kPods = 20;
constexpr Duration kBound = seconds(1);
// Room for a newcomer may not be room for its farewell: then it is found out like any other pod
// that ends, on weak evidence if its host let it go.
constexpr Duration kFoundOut = 2 * kPatience;

bool IsDeathInTheCrowd(const client::Event& event) {
  return event.kind == client::EventKind::kPodDied && !event.pod_name.starts_with("newcomer-");
}

class NoRoom : public Scenario {
 protected:
  void Start(std::vector<std::pair<std::string, std::string>> settings) {
    auto postgres = pg::PrivateCluster::Start({.fsync = false, .settings = std::move(settings)});
    ASSERT_TRUE(postgres) << postgres.error().message;
    postgres_ = std::move(*postgres);
    ASSERT_NO_FATAL_FAILURE(StartClusterOn(*postgres_, {.coordinators = 2}));
    const auto connected = cluster().Connect();
    ASSERT_TRUE(connected);
    crowd_ = std::make_unique<Crowd>(*connected, Crowd::Options{.size = kPods});
    ASSERT_EQ(crowd_->AwaitRegistered(), "");
    ASSERT_TRUE(Database().AwaitSettled(kPods, 2, kPatience));
  }

  void TearDown() override {
    crowd_.reset();
    Scenario::TearDown();
    StopCluster();
  }

  // Whoever is not served hears why. The client asks both coordinators again until its time is up.
  void ExpectServedOrRefusedWithAReason() {
    const client::Work work(client(), "default");
    for (int i = 0; i < FullOr(4, 2); ++i) {
      client::PodSession newcomer(
          client(), {.name = "newcomer-" + std::to_string(i), .register_timeout = kBound});
      const auto registration = newcomer.AwaitRegistration();
      if (registration) {
        newcomer.Leave();
      } else {
        EXPECT_NE(registration.error().reason, client::Reason::kNone)
            << client::Describe(registration.error());
      }
      const Instant asked = Now();
      const auto started =
          work.Start(crowd_->pod(i).standing().incarnation, "item-" + std::to_string(i));
      ExpectWithin("an answer to a start of work", Now() - asked, kBound);
      if (!started) {
        EXPECT_NE(started.error().reason, client::Reason::kNone);
      }
    }
  }

  void ExpectNobodyHarmed() {
    ExpectNone("deaths", log().Count(IsDeathInTheCrowd));
    ExpectNone("LOST", crowd_->lost() + crowd_->changed());
    EXPECT_EQ(Living().size(), static_cast<size_t>(kPods));
  }

  pg::PrivateCluster& postgres() { return *postgres_; }

 private:
  std::unique_ptr<pg::PrivateCluster> postgres_;
  std::unique_ptr<Crowd> crowd_;
};

// P9, P11
TEST_F(NoRoom, LockTableFull_RefusedWithAReasonAndNobodyDies) {
  ASSERT_NO_FATAL_FAILURE(Start({{"max_locks_per_transaction", "10"}, {"max_connections", "100"}}));

  DatabaseView hoarder(cluster().Conninfo());
  // What it took until there was no room it keeps.
  const auto hoarded =
      hoarder.Execute("SELECT pg_advisory_lock(n) FROM generate_series(1, 1000000) n");
  ASSERT_FALSE(hoarded);
  ExpectServedOrRefusedWithAReason();
  EXPECT_FALSE(log().Await(IsDeathInTheCrowd, FullOr<Duration>(seconds(5), seconds(1))));
  ASSERT_TRUE(hoarder.Execute("SELECT pg_advisory_unlock_all()"));

  EXPECT_TRUE(Database().AwaitSettled(kPods, 2, kFoundOut));
  ExpectNobodyHarmed();
}

// P9, P11
TEST_F(NoRoom, ConnectionsExhausted_RefusedWithAReasonAndNobodyDies) {
  ASSERT_NO_FATAL_FAILURE(Start({{"max_connections", "80"}}));

  std::vector<std::unique_ptr<pg::Connection>> hoard;
  for (;;) {
    auto opened = pg::Connection::Open({cluster().Conninfo(), "hoarder", {}}, Now() + kPatience);
    if (!opened) break;
    hoard.push_back(std::move(*opened));
  }
  ASSERT_FALSE(hoard.empty());
  ExpectServedOrRefusedWithAReason();
  // One more coordinator is not served, and hears why.
  const auto vigild = FindBuilt("vigild");
  ASSERT_TRUE(vigild);
  const Instant asked = Now();
  const auto third = Process::Spawn({.command = {*vigild, "serve", "--insecure", "true", "--listen",
                                                 "127.0.0.1:0", "--http-listen", "off"},
                                     .environment = {{"VIGIL_DATABASE", cluster().Conninfo()}}});
  ASSERT_TRUE(third);
  const auto why = (*third)->AwaitLine(
      [](const Process::Line& line) {
        return line.text.find("too many clients") != std::string::npos;
      },
      kPatience);
  EXPECT_TRUE(why) << (*third)->Transcript();
  if (why) ExpectWithin("an answer to a coordinator", why->at - asked, kBound);
  EXPECT_FALSE(log().Await(IsDeathInTheCrowd, FullOr<Duration>(seconds(5), seconds(1))));
  hoard.clear();

  EXPECT_TRUE(Database().AwaitSettled(kPods, 2, kFoundOut));
  ExpectNobodyHarmed();
}

}  // namespace
}  // namespace vigil
