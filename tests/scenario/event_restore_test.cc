// An older backup of the database is restored: what was told of the lost part is never mixed with
// what takes its place.
#include <filesystem>

#include "crowd.h"
#include "eventually.h"
#include "measured.h"
#include "scenario.h"
#include "support/raw_subscriber.h"

namespace vigil {
namespace {

using std::chrono::seconds;
using ::testing::IsEmpty;
using Shutdown = pg::PrivateCluster::Shutdown;
namespace fs = std::filesystem;

class EventRestore : public Scenario {
 protected:
  void Start() {
    auto postgres = pg::PrivateCluster::Start({.fsync = false});
    ASSERT_TRUE(postgres) << postgres.error().message;
    postgres_ = std::move(*postgres);
    ASSERT_NO_FATAL_FAILURE(StartClusterOn(*postgres_, {.coordinators = 2}));
  }

  void TearDown() override {
    Scenario::TearDown();
    StopCluster();
  }

  // Copies the data of the stopped server, with owners and rights, and starts it again.
  void BackUp() {
    ASSERT_TRUE(postgres_->Stop(Shutdown::kFast));
    const auto copy = Process::Spawn({.command = {"cp", "-a", Data().string(), Backup().string()}});
    ASSERT_TRUE(copy);
    ASSERT_EQ((*copy)->AwaitEnd(seconds(60)), 0) << (*copy)->Transcript();
    ASSERT_TRUE(postgres_->StartAgain());
  }
  // Puts the copy in the place of the data.
  void Restore() {
    ASSERT_TRUE(postgres_->Stop(Shutdown::kFast));
    fs::remove_all(Data());
    fs::rename(Backup(), Data());
    ASSERT_TRUE(postgres_->StartAgain());
  }

  // Pods that live and die: three events each. Returns the log after them.
  history::Reference Happen(const std::string& prefix, int pods) {
    auto connected = cluster().Connect();
    EXPECT_TRUE(connected);
    {
      Crowd crowd(*connected, {.prefix = prefix, .size = pods, .profile = client::Profile::kFast});
      EXPECT_EQ(crowd.AwaitRegistered(), "");
    }
    EXPECT_TRUE(Database().AwaitSettled(0, cluster().size(), seconds(60)));
    return Truth();
  }

  std::unique_ptr<RawSubscriber> Subscribe(int place, const history::Start& start) {
    return std::make_unique<RawSubscriber>(cluster().address(place), start);
  }

  // The position after this event.
  static Position At(const history::Reference& log, Seq seq) {
    const Event* event = log.At(seq);
    return event ? event->position() : Position{};
  }

  // Each cursor that the lost log had after this event.
  void ExpectExpired(const history::Reference& lost, Seq after, history::Reference now) {
    now.through = {};
    std::vector<std::unique_ptr<RawSubscriber>> late;
    for (Seq seq{after.value + 1}; seq <= lost.through; ++seq.value) {
      if (lost.At(seq)->transaction_end != seq) continue;
      late.push_back(Subscribe(static_cast<int>(seq.value % 2), At(lost, seq)));
    }
    size_t others = 0;
    for (const auto& subscriber : late) {
      ASSERT_TRUE(subscriber->AwaitEnd(kPatience));
      const history::History told = subscriber->History();
      EXPECT_THAT(history::Validate(told, now), IsEmpty());
      const auto& end = std::get<history::Ended>(told.back().what);
      if (end.reason != history::EndReason::kExpired || history::EventCount(told) != 0) ++others;
    }
    ExpectNone("cursors of the lost part that did not expire", others,
               static_cast<int>(late.size()));
  }

 private:
  fs::path Data() const { return fs::path(postgres_->directory()) / "data"; }
  fs::path Backup() const { return fs::path(postgres_->directory()) / "backup"; }

  std::unique_ptr<pg::PrivateCluster> postgres_;
};

// P8
TEST_F(EventRestore, OlderBackupRestored_CursorsOfTheLostPartExpireAndOthersGoOn) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const history::Reference common = Happen("common-", 10);
  ASSERT_NO_FATAL_FAILURE(BackUp());
  const history::Reference lost = Happen("lost-", 20);
  ASSERT_GT(lost.through, common.through);
  // Live at the restore: one that was told of the lost part.
  const auto live = Subscribe(0, history::FromOldest{});
  ASSERT_TRUE(live->AwaitSeq(lost.through, kPatience));

  ASSERT_NO_FATAL_FAILURE(Restore());
  const Instant restored = Now();
  ASSERT_TRUE(live->AwaitEnd(seconds(60)));
  TakeDown("a live subscriber of the lost part has EXPIRED", Now() - restored);
  history::History told = live->History();
  const auto end = std::get<history::Ended>(told.back().what);
  EXPECT_EQ(end.reason, history::EndReason::kExpired) << end.error;
  told.pop_back();
  EXPECT_THAT(history::Validate(told, lost), IsEmpty());

  // When the new log is shorter than the lost one, and when it is longer.
  for (const int more : {0, 5, 25}) {
    const history::Reference now =
        more == 0 ? Truth() : Happen("new-" + std::to_string(more) + "-", more);
    ExpectExpired(lost, common.through, now);
    const auto goes_on = Subscribe(1, At(common, common.through));
    EXPECT_TRUE(goes_on->AwaitSeq(now.through, kPatience));
    EXPECT_THAT(history::Validate(goes_on->History(), now), IsEmpty());
  }
  // The scenario's own subscriber stood in the lost part.
  ASSERT_NO_FATAL_FAILURE(WatchFrom(0));
}

}  // namespace
}  // namespace vigil
