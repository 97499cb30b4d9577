// A coordinator on a primary and its standby: after a promotion it is on the new primary by itself,
// and its pods have noticed nothing.   (P9)
#include <gtest/gtest.h>

#include <functional>
#include <future>

#include "integration/test_server.h"
#include "pg/connection.h"
#include "store/postgres/schema.h"

namespace vigil {
namespace {

using std::chrono::seconds;

class FailoverTest : public testing::Test {
 protected:
  void SetUp() override {
    auto primary = pg::PrivateCluster::Start({.fsync = false});
    ASSERT_TRUE(primary) << primary.error().message;
    primary_ = std::move(*primary);
    const auto migrated = pg::Migrate(primary_->Conninfo(), PostgresSchema(), seconds(60));
    ASSERT_TRUE(migrated) << migrated.error().message;
    auto standby = pg::PrivateCluster::Start({.fsync = false, .standby_of = primary_.get()});
    ASSERT_TRUE(standby) << standby.error().message;
    standby_ = std::move(*standby);
    // From here on a commit is acknowledged when the standby has it.
    RunAsSuperuser(primary_->Conninfo(), "ALTER SYSTEM SET synchronous_standby_names = '*'");
    RunAsSuperuser(primary_->Conninfo(), "SELECT pg_reload_conf()");
    server_ = std::make_unique<TestServer>(
        primary_->Conninfo() + " host=127.0.0.1,127.0.0.1 port=" +
        std::to_string(primary_->port()) + "," + std::to_string(standby_->port()));
    ASSERT_TRUE(server_->WaitUntilReady());
  }

  // How many liveness sessions a cluster has. (Idle connections end when they are asked next.)
  static int64_t LivenessSessionsOn(const pg::PrivateCluster& cluster) {
    constexpr pg::Statement kCount{
        "count", "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'vigil locks'"};
    const Instant deadline = SystemClock().Now() + seconds(10);
    auto connection = pg::Connection::Open({cluster.Conninfo(), "test", {}}, deadline);
    if (!connection) return -1;
    const auto rows =
        (*connection)->Execute({.steps = {{&kCount, {}}}, .changes = false}, deadline);
    return rows ? rows->front()[0].Bigint() : -1;
  }

  static void BeatDuring(RawPod& pod, const std::function<void()>& fault) {
    auto done = std::async(std::launch::async, fault);
    do {
      EXPECT_TRUE(pod.Beat()) << "the trust window outlasts it";
    } while (done.wait_for(seconds(0)) != std::future_status::ready);
  }

  // Beats until the incarnation is known on a server where a new one can be registered, too. That
  // comes later: the coordinator has lost all its sessions at once, and while none is open again it
  // hosts nobody new.
  void ExpectHostedOnTheNewPrimary(RawPod& pod) {
    const SystemClock clock;
    const Instant limit = clock.Now() + seconds(20);
    bool registered = false;
    while (!registered && clock.Now() < limit) {
      ASSERT_TRUE(pod.Beat()) << "the trust window outlasts the promotion";
      v1::Pod seen;
      registered = GetPod(*server_, "a", &seen).ok() && seen.state() == v1::POD_STATE_ALIVE;
    }
    ASSERT_TRUE(registered);
    const auto let_in = AwaitAnswer(*server_, pod, grpc::StatusCode::OK);
    ASSERT_TRUE(let_in.ok()) << let_in.error_message();
    RawPod newcomer(*server_, "newcomer");
    EXPECT_GT(newcomer.incarnation(), pod.incarnation());
    EXPECT_TRUE(pod.Beat());
  }

  std::unique_ptr<pg::PrivateCluster> primary_;
  std::unique_ptr<pg::PrivateCluster> standby_;
  std::unique_ptr<TestServer> server_;
};

TEST_F(FailoverTest, Promotion_ThePodsNoticeNothing) {
  RawPod pod(*server_, "a", v1::PROFILE_STRICT);
  BeatDuring(pod, [&] {
    EXPECT_TRUE(primary_->Stop(pg::PrivateCluster::Shutdown::kImmediate));
    EXPECT_TRUE(standby_->Promote());
  });
  ExpectHostedOnTheNewPrimary(pod);
}

// P7, P9: the old primary lives on and can be reached, but its standby has left it.
TEST_F(FailoverTest, SplitBrain_TheOldSideIsLeftForTheNewOne) {
  RawPod pod(*server_, "a", v1::PROFILE_STRICT);
  BeatDuring(pod, [&] { EXPECT_TRUE(standby_->Promote()); });
  const SystemClock clock;
  const Instant limit = clock.Now() + seconds(30);
  while (LivenessSessionsOn(*primary_) != 0 && clock.Now() < limit) {
    ASSERT_TRUE(pod.Beat()) << "the trust window outlasts it";
  }
  EXPECT_EQ(LivenessSessionsOn(*primary_), 0);
  ExpectHostedOnTheNewPrimary(pod);
}

}  // namespace
}  // namespace vigil
