// A coordinator freezes in the middle of a verdict's transaction.
#include <csignal>

#include "measured.h"
#include "scenario.h"

namespace vigil {
namespace {

using std::chrono::seconds;

constexpr auto kBound = seconds(3);

class FrozenVerdict : public Scenario {
 protected:
  // The victim's host makes a transaction of its verdict, which waits for a lock of ours, and is
  // frozen there.
  void FreezeHostWhile(const std::string& lock) {
    ASSERT_NO_FATAL_FAILURE(StartCluster());
    ASSERT_NO_FATAL_FAILURE(WatchFrom(1));
    victim_ = &Play({.addresses = {cluster().address(0)}, .name = "victim"});
    Expect(*victim_, "ready");
    other_ = &Play({.addresses = {cluster().address(1)}, .name = "other", .items = 2});
    Expect(*other_, "ready");
    survivor_ = &Play({.addresses = {cluster().address(2)}, .name = "survivor", .claims = true});
    Expect(*survivor_, "ready");

    ASSERT_TRUE(Database().Execute("BEGIN; " + lock));
    victim_->process().Signal(SIGKILL);
    DatabaseView watching(cluster().Conninfo());
    ASSERT_TRUE(watching.AwaitWaiting(kPatience));
    cluster().coordinator(0).Signal(SIGSTOP);
    frozen_ = Now();
  }

  void LetGo() { ASSERT_TRUE(Database().Execute("ROLLBACK")); }

  // The others register, judge, and claim.
  void ExpectTheOthersGoOn() {
    ReportingProcess& newcomer =
        Play({.addresses = {cluster().address(1), cluster().address(2)}, .name = "newcomer"});
    const Report registered = Expect(newcomer, "registered");
    ExpectWithin("a pod is registered", registered.At() - frozen_, kBound);
    other_->process().Signal(SIGKILL);
    const auto died = ExpectEvent("other died", Of(client::EventKind::kPodDied, "other"));
    ExpectWithin("another pod is judged", died.at - frozen_, kBound);
    for (const char* key : {"item-00", "item-01"}) {
      const Report claimed = Expect(
          *survivor_, "claimed", [&](const Report& report) { return report.Text("key") == key; });
      ExpectWithin("its work is claimed", claimed.At() - frozen_, kBound);
    }
  }

  // The verdict went out as one flush, so it needs nothing more of whoever sent it.
  void ExpectVictimDiedOnce() {
    ExpectEvent("victim died", Of(client::EventKind::kPodDied, "victim"));
    cluster().coordinator(0).Signal(SIGCONT);
    EXPECT_TRUE(Database().AwaitSettled(2, 3, kPatience));
    EXPECT_EQ(log().Count(Of(client::EventKind::kPodDied, "victim")), 1U);
    EXPECT_EQ(log().Count(Of(client::EventKind::kPodDied)), 2U);
  }

 private:
  ReportingProcess* victim_ = nullptr;
  ReportingProcess* other_ = nullptr;
  ReportingProcess* survivor_ = nullptr;
  Instant frozen_{};
};

// P2, P3
TEST_F(FrozenVerdict, CoordinatorFrozenBeforeItsVerdictIsDecided_TheOthersGoOn) {
  ASSERT_NO_FATAL_FAILURE(
      FreezeHostWhile("SELECT * FROM vigil.pods WHERE name = 'victim' FOR UPDATE"));
  ExpectTheOthersGoOn();
  LetGo();
  ExpectVictimDiedOnce();
}

// P2, P3: when it froze it held the pod's row, and was next to hold the head of the log, through
// which everybody goes.
TEST_F(FrozenVerdict, CoordinatorFrozenWithinItsVerdict_TheOthersGoOn) {
  ASSERT_NO_FATAL_FAILURE(
      FreezeHostWhile("SELECT * FROM vigil.namespaces WHERE name = 'default' FOR UPDATE"));
  LetGo();
  ExpectTheOthersGoOn();
  ExpectVictimDiedOnce();
}

}  // namespace
}  // namespace vigil
