// The standby is promoted, while the old primary lives on, with a coordinator and pods on its side.
#include "crowd.h"
#include "measured.h"
#include "scenario.h"
#include "support/relay.h"

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kPods = 5;

// Coordinator 0 and its pods know only the old primary. Coordinator 1 knows both servers, and the
// old primary through a relay; its pods know only coordinator 1.
class SplitBrain : public Scenario {
 protected:
  void Start(bool synchronous) {
    auto primary = pg::PrivateCluster::Start({.fsync = false});
    ASSERT_TRUE(primary) << primary.error().message;
    primary_ = std::move(*primary);
    auto standby = pg::PrivateCluster::Start({.fsync = false, .standby_of = primary_.get()});
    ASSERT_TRUE(standby) << standby.error().message;
    standby_ = std::move(*standby);
    if (synchronous) {
      DatabaseView view(primary_->Conninfo());
      ASSERT_TRUE(view.Execute("ALTER SYSTEM SET synchronous_standby_names = '*'"));
      ASSERT_TRUE(view.Execute("SELECT pg_reload_conf()"));
    }
    auto relay = Relay::Start(primary_->port());
    ASSERT_TRUE(relay) << relay.error().message;
    relay_ = std::move(*relay);

    VigilCluster::Options options{.coordinators = 2};
    options.settings = {"--trust-window", std::to_string(TrustWindow() / milliseconds(1)) + "ms"};
    options.conninfo = [this](const std::string& database, int place) {
      database_ = database;
      const std::string old_side = primary_->Conninfo(database);
      return place == 0
                 ? old_side
                 : old_side + " host=127.0.0.1,127.0.0.1 port=" + std::to_string(relay_->port()) +
                       "," + std::to_string(standby_->port());
    };
    ASSERT_NO_FATAL_FAILURE(StartClusterOn(*primary_, options));
    ASSERT_NO_FATAL_FAILURE(WatchFrom(1));
    for (int place : {0, 1}) {
      auto client = client::Client::Create(
          {.addresses = {cluster().address(place)}, .call_timeout = seconds(3)});
      ASSERT_TRUE(client);
      clients_.push_back(*client);
      crowds_.push_back(std::make_unique<Crowd>(
          *client,
          Crowd::Options{.prefix = place == 0 ? "old-" : "new-", .size = kPods, .lease = Lease()}));
      ASSERT_EQ(crowds_.back()->AwaitRegistered(), "");
    }
    const client::Work work(clients_[0], "default");
    for (int i = 0; i < kPods; ++i) {
      ASSERT_TRUE(work.Start(old_side().pod(i).standing().incarnation, old_side().name(i)));
    }
    // What an asynchronous standby does not have yet would be lost.
    ASSERT_TRUE(Database().AwaitReplicated(kPatience));
  }

  // Its subscriber is of the new side.
  std::string LogConninfo() const override { return standby_->Conninfo(database_); }

  void TearDown() override {
    crowds_.clear();
    Scenario::TearDown();
    // The database cannot be dropped where no commit is acknowledged.
    EXPECT_TRUE(primary_->Stop(pg::PrivateCluster::Shutdown::kImmediate));
    StopCluster();
  }

  // When nothing that the old primary does reaches the new one any more.
  Instant Split() {
    relay_->Isolate();
    EXPECT_TRUE(standby_->Promote());
    return Now();
  }

  static Duration TrustWindow() { return FullOr<Duration>(seconds(15), seconds(4)); }
  static Duration Lease() { return FullOr<Duration>(seconds(3), seconds(1)); }
  static Duration Grace() { return StrictGrace(TrustWindow(), Lease()); }

  Crowd& old_side() { return *crowds_[0]; }
  Crowd& new_side() { return *crowds_[1]; }
  const client::Client& to_old() const { return clients_[0]; }
  const client::Client& to_new() const { return clients_[1]; }
  const pg::PrivateCluster& standby() const { return *standby_; }

  void NoteOldFence(client::Fence fence) {
    EXPECT_GT(fence, old_fence_);
    old_fence_ = fence;
  }

  // The new side declares the pods of the old one dead, and takes their work over.
  void ExpectTakenOver(Instant cut, std::vector<Instant>* died_at) {
    const client::Work work(to_new(), "default");
    const auto claimant = new_side().pod(0).standing().incarnation;
    for (int i = 0; i < kPods; ++i) {
      const std::string name = old_side().name(i);
      const auto died =
          ExpectEvent("died", Of(client::EventKind::kPodDied, name), Grace() + kPatience);
      ExpectWithin("DEAD on the new side", died.at - cut, Grace() + seconds(5));
      died_at->push_back(died.at);
      const auto claimed = work.Claim(claimant, name, died.event.incarnation, client::Fence(1));
      ASSERT_TRUE(claimed) << client::Describe(claimed.error());
      // Higher than any that the old side has given, and than any that it goes on to give.
      EXPECT_GT(claimed->item.fence, old_fence_);
    }
  }

  void ExpectExpired(const client::Cursor& cursor) {
    EventRecorder after(to_new(), "default", cursor);
    EXPECT_FALSE(after.AwaitStart(kPatience));
    ASSERT_TRUE(after.ended());
    EXPECT_EQ(after.ended()->code, client::Code::kOutOfRange) << client::Describe(*after.ended());
  }

  void ExpectNewSideUnharmed() {
    ExpectNone("LOST on the new side", new_side().lost() + new_side().changed());
    for (int i = 0; i < kPods; ++i) {
      EXPECT_EQ(log().Count(Of(client::EventKind::kPodDied, new_side().name(i))), 0U);
    }
  }

 private:
  std::unique_ptr<pg::PrivateCluster> primary_;
  std::unique_ptr<pg::PrivateCluster> standby_;
  std::unique_ptr<Relay> relay_;
  std::string database_;
  // The highest that the old side gave an item.
  client::Fence old_fence_{1};
  std::vector<client::Client> clients_;
  std::vector<std::unique_ptr<Crowd>> crowds_;
};

// P7, P9
TEST_F(SplitBrain, SynchronousStandbyPromoted_NobodyIsAliveOnBothSides) {
  ASSERT_NO_FATAL_FAILURE(Start(/*synchronous=*/true));

  const Instant cut = Split();

  // The old side acknowledges nothing any more: no work, no pod, no farewell.
  const auto writer = old_side().pod(0).standing().incarnation;
  const client::Work old_work(to_old(), "default");
  ExpectNone("starts that the old side acknowledged", old_work.Start(writer, "late") ? 1 : 0);
  ExpectNone("checkpoints that the old side acknowledged",
             old_work.Checkpoint(writer, old_side().name(0), client::Fence(1), "late") ? 1 : 0);
  client::PodSession late(to_old(), {.name = "late", .register_timeout = seconds(3)});
  ExpectNone("registrations that the old side acknowledged", late.AwaitRegistration() ? 1 : 0);

  const auto lost = old_side().AwaitAll(Lost, TrustWindow() + Lease() + kPatience);
  ASSERT_FALSE(lost.empty());
  for (const Instant at : lost) {
    ExpectWithin("LOST on the old side", at - cut, TrustWindow() + Lease());
  }
  std::vector<Instant> died;
  ASSERT_NO_FATAL_FAILURE(ExpectTakenOver(cut, &died));
  for (size_t i = 0; i < died.size(); ++i) EXPECT_LT(lost[i], died[i]);
  ExpectNewSideUnharmed();
  EXPECT_FALSE(client::Work(to_new(), "default").Get("late"));

  // P8: the old side can be read, but what it does not have is not lost.
  const auto cursor = log().LastCursor();
  ASSERT_TRUE(cursor);
  EventRecorder from_old(to_old(), "default", *cursor);
  EXPECT_FALSE(from_old.AwaitStart(seconds(5)));
  EXPECT_FALSE(from_old.ended()) << client::Describe(*from_old.ended());
}

// Without a standby that must confirm, the old primary goes on acknowledging, and its side cannot
// know. What remains true: the new side has higher fences, and a cursor of what was lost is refused
// there, however far its log has come since.
TEST_F(SplitBrain, AsynchronousStandbyPromoted_FencesGrowAndCursorsOfTheLostEndExpire) {
  ASSERT_NO_FATAL_FAILURE(Start(/*synchronous=*/false));

  const auto common = log().LastCursor();
  ASSERT_TRUE(common);
  const Instant cut = Split();

  // On the old side an item changes hands, which the new side will never know.
  const client::Work old_work(to_old(), "default");
  const auto writer = old_side().pod(0).standing().incarnation;
  ASSERT_TRUE(old_work.Release(writer, old_side().name(0), client::Fence(1)));
  const auto again = old_work.Start(writer, old_side().name(0));
  ASSERT_TRUE(again) << client::Describe(again.error());
  NoteOldFence(again->item.fence);

  EventRecorder old_log(to_old(), "default", client::FromNow{});
  ASSERT_TRUE(old_log.AwaitStart(kPatience));
  Crowd lost_pods(to_old(), {.prefix = "lost-", .size = 40});
  ASSERT_EQ(lost_pods.AwaitRegistered(), "");
  const auto lost =
      old_log.Await(Of(client::EventKind::kPodRegistered, lost_pods.name(39)), kPatience);
  ASSERT_TRUE(lost);
  std::vector<Instant> died;
  ASSERT_NO_FATAL_FAILURE(ExpectTakenOver(cut, &died));

  // Both sides believe in them, and only the fence tells.
  EXPECT_EQ(old_side().lost(), 0U);
  const client::Work work(to_new(), "default");
  for (int i = 0; i < kPods; ++i) {
    const auto late = work.Checkpoint(old_side().pod(i).standing().incarnation, old_side().name(i),
                                      client::Fence(1), "late");
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().reason, client::Reason::kFenced);
  }
  const auto cursor = old_log.LastCursor();
  ASSERT_TRUE(cursor);
  ASSERT_LT(log().Events().back().seq, lost->event.seq);
  ExpectExpired(*cursor);
  Crowd more_pods(to_new(), {.prefix = "more-", .size = 80});
  ASSERT_EQ(more_pods.AwaitRegistered(), "");
  ASSERT_TRUE(log().AwaitSeq(client::Seq(lost->event.seq.value() + 1), kPatience));
  ExpectExpired(*cursor);
  EventRecorder after(to_new(), "default", *common);
  EXPECT_TRUE(after.AwaitSeq(lost->event.seq, kPatience));
  ExpectNewSideUnharmed();
}

}  // namespace
}  // namespace vigil
