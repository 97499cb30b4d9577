// A coordinator on a primary and its standby: after a promotion it is on the new primary by itself,
// and its pods have noticed nothing.   (P9)
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <future>
#include <sstream>

#include "integration/test_server.h"
#include "pg/connection.h"
#include "store/postgres/schema.h"
#include "support/process.h"

namespace vigil {
namespace {

using std::chrono::seconds;

// A subscriber that speaks the contract by hand.
class RawFollower {
 public:
  // From the oldest event, or after a cursor.
  explicit RawFollower(TestServer& server, const std::string& cursor = "") {
    v1::SubscribeRequest request;
    request.set_namespace_("default");
    if (cursor.empty()) {
      request.mutable_from_oldest();
    } else {
      request.set_after_cursor(cursor);
    }
    stream_ = server.events().Subscribe(context_.get(), request);
  }

  // Reads up to the event, and returns the cursor after it; empty when the stream ends before.
  std::string CursorAfter(const std::string& pod, v1::EventKind kind) {
    v1::SubscribeResponse response;
    while (stream_->Read(&response)) {
      for (const auto& event : response.events().events()) {
        heard_ = event.seq();
        if (event.pod_name() == pod && event.kind() == kind) return response.events().cursor();
      }
    }
    return "";
  }

  // Reads to the end, and returns its reason.
  v1::EndReason End() {
    v1::SubscribeResponse response;
    while (stream_->Read(&response)) {
      if (response.has_end()) return response.end().reason();
    }
    return v1::END_REASON_UNSPECIFIED;
  }

  // The number of the last event.
  uint64_t heard() const { return heard_; }

 private:
  std::unique_ptr<grpc::ClientContext> context_ = InTime();
  std::unique_ptr<grpc::ClientReader<v1::SubscribeResponse>> stream_;
  uint64_t heard_ = 0;
};

class FailoverTest : public testing::Test {
 protected:
  // How many pods' registrations and farewells get lost.
  static constexpr int kLost = 40;

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

  // A new item of this pod's.
  void StartWork(const RawPod& pod, const std::string& key) {
    v1::StartWorkRequest request;
    request.set_namespace_("default");
    request.set_key(key);
    request.set_incarnation(pod.incarnation());
    v1::StartWorkResponse response;
    EXPECT_TRUE(server_->work().StartWork(InTime().get(), request, &response).ok());
    EXPECT_EQ(response.outcome(), v1::START_OUTCOME_STARTED);
    EXPECT_EQ(response.item().fence(), 1U);
  }

  // The fence with which this pod gets an item that another one left with its first; 0 if it does
  // not.
  uint64_t Claim(const RawPod& pod, const RawPod& from, const std::string& key) {
    v1::ClaimWorkRequest request;
    request.set_namespace_("default");
    request.set_key(key);
    request.set_incarnation(pod.incarnation());
    request.set_expected_owner(from.incarnation());
    request.set_expected_fence(1);
    v1::ClaimWorkResponse response;
    EXPECT_TRUE(server_->work().ClaimWork(InTime().get(), request, &response).ok());
    return response.outcome() == v1::CLAIM_OUTCOME_CLAIMED ? response.item().fence() : 0;
  }

  // Dumps one cluster's database into the other.
  static void Copy(const pg::PrivateCluster& from, const pg::PrivateCluster& to) {
    const auto copy = Process::Spawn(
        {.command = {"bash", "-euo", "pipefail", "-c",
                     R"("$BIN/pg_dump" "$FROM" | "$BIN/psql" -qX -v ON_ERROR_STOP=1 "$TO")"},
         .environment = {
             {"BIN", from.bin_directory()}, {"FROM", from.Conninfo()}, {"TO", to.Conninfo()}}});
    ASSERT_TRUE(copy) << copy.error().message;
    EXPECT_EQ((*copy)->AwaitEnd(seconds(20)), 0) << (*copy)->Transcript();
  }

  // What server/README.md says to run after it.
  static std::string SqlOfThePage() {
    std::ifstream file(VIGIL_SOURCE_DIR "/server/README.md");
    std::stringstream text;
    text << file.rdbuf();
    const std::string page = text.str();
    const std::string begin = "```sql\n";
    const size_t sql = page.find(begin);
    EXPECT_NE(sql, std::string::npos);
    return page.substr(sql + begin.size(), page.find("```", sql + 1) - sql - begin.size());
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

// P5: a fence that was lost is not given again, and a claim may be repeated on either side.
TEST_F(FailoverTest, Promotion_AClaimGivesAHigherFenceAndCanBeRepeated) {
  RawPod pod(*server_, "a", v1::PROFILE_STRICT);
  RawPod doomed(*server_, "doomed");
  StartWork(doomed, "before");
  StartWork(doomed, "after");
  doomed.Leave();
  EXPECT_EQ(Claim(pod, doomed, "before"), 2U);
  BeatDuring(pod, [&] {
    EXPECT_TRUE(primary_->Stop(pg::PrivateCluster::Shutdown::kImmediate));
    EXPECT_TRUE(standby_->Promote());
  });
  ExpectHostedOnTheNewPrimary(pod);
  EXPECT_EQ(Claim(pod, doomed, "before"), 2U);
  EXPECT_EQ(Claim(pod, doomed, "after"), (uint64_t{1} << 32) + 1);
  EXPECT_EQ(Claim(pod, doomed, "after"), (uint64_t{1} << 32) + 1);
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

// P8: the standby never got what the primary acknowledged last.
TEST_F(FailoverTest, CommitsLost_TheirCursorsExpireForEverAndOthersGoOn) {
  RunAsSuperuser(primary_->Conninfo(), "ALTER SYSTEM SET synchronous_standby_names = ''");
  RawPod pod(*server_, "a", v1::PROFILE_STRICT);
  RawFollower live(*server_);
  const std::string common = live.CursorAfter("a", v1::EVENT_KIND_POD_REGISTERED);
  ASSERT_FALSE(common.empty());
  // From here on commits wait for no standby.
  RunAsSuperuser(primary_->Conninfo(), "SELECT pg_reload_conf()");
  ASSERT_TRUE(standby_->Stop(pg::PrivateCluster::Shutdown::kFast));
  uint64_t last_lost = 0;
  for (int i = 0; i < kLost; ++i) {
    RawPod lost_pod(*server_, "lost-" + std::to_string(i));
    last_lost = lost_pod.incarnation();
    lost_pod.Leave();
  }
  const std::string lost =
      live.CursorAfter("lost-" + std::to_string(kLost - 1), v1::EVENT_KIND_POD_LEFT);
  ASSERT_FALSE(lost.empty());
  BeatDuring(pod, [&] {
    EXPECT_TRUE(primary_->Stop(pg::PrivateCluster::Shutdown::kImmediate));
    EXPECT_TRUE(standby_->StartAgain());
    EXPECT_TRUE(standby_->Promote());
  });
  ExpectHostedOnTheNewPrimary(pod);

  EXPECT_EQ(live.End(), v1::END_REASON_EXPIRED) << "whoever was there is told";
  RawFollower ahead(*server_, lost);
  EXPECT_EQ(ahead.End(), v1::END_REASON_EXPIRED);
  for (int i = 0; i < kLost; ++i) {
    RawPod found(*server_, "found-" + std::to_string(i));
    EXPECT_GT(found.incarnation(), last_lost) << "no number is issued twice";
    found.Leave();
  }
  RawFollower again(*server_, common);
  EXPECT_FALSE(
      again.CursorAfter("found-" + std::to_string(kLost - 1), v1::EVENT_KIND_POD_LEFT).empty());
  EXPECT_GT(again.heard(), live.heard()) << "the log has outgrown what was lost";
  RawFollower outgrown(*server_, lost);
  EXPECT_EQ(outgrown.End(), v1::END_REASON_EXPIRED);
}

// P6: a dump takes no timeline along, and the numbers of the old cluster lie above those of a new
// one.
TEST_F(FailoverTest, Dump_NoNumberIsIssuedTwiceWhenTheSequencesAreSetAsThePageSays) {
  uint64_t last = 0;
  {
    RawPod pod(*server_, "a", v1::PROFILE_STRICT);
    BeatDuring(pod, [&] {
      EXPECT_TRUE(primary_->Stop(pg::PrivateCluster::Shutdown::kImmediate));
      EXPECT_TRUE(standby_->Promote());
    });
    ExpectHostedOnTheNewPrimary(pod);
    RawPod later(*server_, "later");
    last = later.incarnation();
    EXPECT_GT(last, uint64_t{1} << 32);
    later.Leave();
    pod.Leave();
  }
  server_.reset();

  const auto fresh = pg::PrivateCluster::Start({.fsync = false});
  ASSERT_TRUE(fresh) << fresh.error().message;
  Copy(*standby_, **fresh);
  RunAsSuperuser((*fresh)->Conninfo(), SqlOfThePage());
  TestServer server((*fresh)->Conninfo());
  ASSERT_TRUE(server.WaitUntilReady());
  RawPod found(server, "found");
  EXPECT_GT(found.incarnation(), last);
}

}  // namespace
}  // namespace vigil
