// Coordinators come and go; pods stay.
#include <csignal>

#include "measured.h"
#include "scenario.h"

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Short, so that a death that must not come would come soon.
constexpr auto kTrustWindow = seconds(2);
constexpr auto kFastGrace = seconds(2);
constexpr Duration kProbe = milliseconds(500);
const std::vector<std::string> kShortGraces = {"--trust-window", "2s", "--fast-grace", "2s"};

// From the moment when locks fall free to the verdict, as server/README.md has it: a probe finds
// them, and another one finds the grace over. Half a second for the transactions and for the way to
// the subscriber.
constexpr Duration LongestWeakDeath(Duration grace) {
  return kProbe * 3 / 2 + grace + kProbe * 3 / 2 + milliseconds(500);
}

class CoordinatorLoss : public Scenario {
 protected:
  // Two pods of each profile, each with an item, two of them hosted by the first coordinator.
  void StartPods() {
    StartPod("fast-a", "fast", 0);
    StartPod("strict-a", "strict", 0);
    StartPod("fast-b", "fast", 1);
    StartPod("strict-b", "strict", 1);
    living_ = Living();
    owners_ = Owners();
    ASSERT_EQ(living_.size(), 4U);
    ASSERT_EQ(owners_.size(), 4U);
  }

  void ExpectMoved(const std::string& pod) {
    ExpectEvent(pod + " moved", Of(client::EventKind::kPodMoved, pod));
  }

  // P9: everybody is who he was and has what he had.
  void ExpectNothingLost() {
    EXPECT_EQ(log().Count(Of(client::EventKind::kPodDied)), 0U);
    EXPECT_EQ(log().Count(Of(client::EventKind::kPodRegistered)), 4U);
    EXPECT_EQ(Living(), living_);
    EXPECT_EQ(Owners(), owners_);
    for (ReportingProcess* pod : runs_) {
      EXPECT_TRUE(pod->process().running());
      EXPECT_EQ(pod->Reports("lost").size(), 0U);
      EXPECT_EQ(pod->Reports("running").size(), 1U);
      EXPECT_EQ(pod->Reports("exited").size(), 0U);
    }
  }

 private:
  void StartPod(const std::string& name, const std::string& profile, int first) {
    ReportingProcess& pod = Run({.pod = name,
                                 .work = name + "-item",
                                 .profile = profile,
                                 .command = Counting(),
                                 .first = first});
    const Report registered = Expect(pod, "registered");
    EXPECT_EQ(cluster().PlaceOf(client::CoordinatorNumber(registered.Number("coordinator"))),
              first);
    Expect(pod, "running");
    runs_.push_back(&pod);
  }

  std::vector<ReportingProcess*> runs_;
  std::vector<std::string> living_;
  std::vector<std::string> owners_;
};

// P9
TEST_F(CoordinatorLoss, CoordinatorKilled_ItsPodsMoveAndNobodyDies) {
  ASSERT_NO_FATAL_FAILURE(StartCluster({.settings = kShortGraces}));
  ASSERT_NO_FATAL_FAILURE(StartPods());

  cluster().coordinator(0).Signal(SIGKILL);

  ExpectMoved("fast-a");
  ExpectMoved("strict-a");
  // Whoever had been suspected of anything would be declared within this time.
  EXPECT_FALSE(log().Await(Of(client::EventKind::kPodDied),
                           LongestWeakDeath(StrictGrace(kTrustWindow, seconds(3)))));
  EXPECT_EQ(log().Count(Of(client::EventKind::kPodMoved, "fast-b")), 0U);
  EXPECT_EQ(log().Count(Of(client::EventKind::kPodMoved, "strict-b")), 0U);
  ExpectNothingLost();
}

// P9
TEST_F(CoordinatorLoss, CoordinatorTerminated_DrainsAndExitsWithZero) {
  ASSERT_NO_FATAL_FAILURE(StartCluster({.settings = kShortGraces}));
  ASSERT_NO_FATAL_FAILURE(StartPods());

  cluster().coordinator(0).Signal(SIGTERM);

  EXPECT_EQ(cluster().coordinator(0).AwaitEnd(kPatience), 0);
  ExpectMoved("fast-a");
  ExpectMoved("strict-a");
  // They had moved before the locks of the first coordinator were gone.
  EXPECT_FALSE(
      log().Await(Of(client::EventKind::kPodSuspected), LongestWeakDeath(Duration::zero())));
  ExpectNothingLost();
}

// P9
TEST_F(CoordinatorLoss, RollingRestart_NobodyDies) {
  ASSERT_NO_FATAL_FAILURE(StartCluster({.settings = kShortGraces}));
  ASSERT_NO_FATAL_FAILURE(StartPods());

  for (int place = 0; place < cluster().size(); ++place) {
    cluster().coordinator(place).Signal(SIGTERM);
    EXPECT_EQ(cluster().coordinator(place).AwaitEnd(kPatience), 0);
    const auto again = cluster().StartAgain(place);
    ASSERT_TRUE(again) << again.error().message;
  }

  for (const char* pod : {"fast-a", "strict-a", "fast-b", "strict-b"}) ExpectMoved(pod);
  EXPECT_FALSE(log().Await(Of(client::EventKind::kPodDied),
                           LongestWeakDeath(StrictGrace(kTrustWindow, seconds(3)))));
  ExpectNothingLost();
}

// P2, P7: no host speaks for them, so their locks do.
TEST_F(CoordinatorLoss, CoordinatorKilledWithItsPods_EachDiesOnceAndInTime) {
  // In full: the defaults.
  VigilCluster::Options options;
  if (!InFull()) options.settings = kShortGraces;
  ASSERT_NO_FATAL_FAILURE(StartCluster(options));
  const Duration strict = StrictGrace(FullOr<Duration>(seconds(15), kTrustWindow), seconds(1));
  const Duration fast = FullOr<Duration>(seconds(3), kFastGrace);
  struct Doomed {
    std::string name;
    std::string profile;
    Duration grace;
    ReportingProcess* process = nullptr;
  };
  std::vector<Doomed> doomed = {{"fast-a", "fast", fast},
                                {"fast-b", "fast", fast},
                                {"strict-a", "strict", strict},
                                {"strict-b", "strict", strict}};
  for (Doomed& pod : doomed) {
    pod.process = &Run({.pod = pod.name,
                        .work = pod.name + "-item",
                        .profile = pod.profile,
                        .lease = "1s",
                        .command = Counting(),
                        .first = 0});
    Expect(*pod.process, "running");
  }
  ReportingProcess& bystander =
      Run({.pod = "bystander", .work = "other", .command = Counting(), .first = 1});
  Expect(bystander, "running");

  const Instant killed = Now();
  cluster().coordinator(0).Signal(SIGKILL);
  for (const Doomed& pod : doomed) pod.process->process().Signal(SIGKILL);

  for (const Doomed& pod : doomed) {
    SCOPED_TRACE(pod.name);
    const auto died =
        ExpectEvent("died", Of(client::EventKind::kPodDied, pod.name), pod.grace + kPatience);
    EXPECT_EQ(died.event.cause, client::Cause::kLockFree);
    EXPECT_EQ(died.event.orphans, 1U);
    EXPECT_GE(died.at - killed, pod.grace);
    ExpectWithin(pod.profile + ": DEAD", died.at - killed, LongestWeakDeath(pod.grace));
  }
  EXPECT_FALSE(log().Await(Of(client::EventKind::kPodDied, "bystander"), 4 * kProbe));
  for (const Doomed& pod : doomed) {
    EXPECT_EQ(log().Count(Of(client::EventKind::kPodDied, pod.name)), 1U);
  }
}

}  // namespace
}  // namespace vigil
