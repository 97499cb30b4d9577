// A coordinator that hosts hundreds of pods is killed, or freezes.
#include <csignal>

#include "crowd.h"
#include "measured.h"
#include "scenario.h"

namespace vigil {
namespace {

using client::EventKind;
using std::chrono::seconds;

// The server's default, which these pods take.
constexpr auto kLease = seconds(3);

class CrowdedCoordinator : public Scenario {
 protected:
  void StartPods() {
    auto first = cluster().Connect(0);
    ASSERT_TRUE(first);
    crowd_ = std::make_unique<Crowd>(*first, Crowd::Options{.size = FullOr(500, 150)});
    ASSERT_EQ(crowd_->AwaitRegistered(), "");
    ASSERT_FALSE(crowd_
                     ->AwaitAll(
                         [this](const client::Standing& standing) {
                           return Hosted(standing) && standing.coordinator == cluster().number(0);
                         },
                         kPatience)
                     .empty());
  }

  void TearDown() override {
    crowd_.reset();
    Scenario::TearDown();
  }

  // Everybody is hosted elsewhere within a lease.
  void ExpectAllResumed(Instant since) {
    const auto resumed = crowd().AwaitAll(HostedElsewhere(cluster().number(0)), kPatience);
    ASSERT_FALSE(resumed.empty());
    for (const Instant at : resumed) ExpectWithin("a pod has resumed", at - since, kLease);
  }

  void ExpectNobodyHarmed() {
    ExpectNone("deaths", log().Count(Of(EventKind::kPodDied)));
    ExpectNone("LOST", crowd().lost());
    EXPECT_EQ(crowd().changed(), 0U);
    EXPECT_EQ(log().Count(Of(EventKind::kPodRegistered)), static_cast<size_t>(crowd().size()));
  }

  Crowd& crowd() { return *crowd_; }

 private:
  std::unique_ptr<Crowd> crowd_;
};

// P9
TEST_F(CrowdedCoordinator, CrowdedCoordinatorKilled_AllPodsResumeWithinTheirLease) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(StartPods());

  const Instant killed = Now();
  cluster().coordinator(0).Signal(SIGKILL);

  ASSERT_NO_FATAL_FAILURE(ExpectAllResumed(killed));
  EXPECT_TRUE(Database().AwaitSettled(crowd().size(), 2, kPatience));
  ExpectNobodyHarmed();
}

// P9, P10: when it wakes, what it remembers is no evidence.
TEST_F(CrowdedCoordinator, CrowdedCoordinatorFrozen_AllPodsResumeWithinTheirLease) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(StartPods());

  const Instant frozen = Now();
  cluster().coordinator(0).Signal(SIGSTOP);
  ASSERT_NO_FATAL_FAILURE(ExpectAllResumed(frozen));
  EXPECT_FALSE(log().Await(Of(EventKind::kPodDied), FullOr(6, 1) * kLease));
  cluster().coordinator(0).Signal(SIGCONT);

  EXPECT_TRUE(Database().AwaitSettled(crowd().size(), 3, kPatience));
  EXPECT_FALSE(log().Await(Of(EventKind::kPodDied), FullOr<Duration>(kLease, seconds(1))));
  ExpectNobodyHarmed();
}

}  // namespace
}  // namespace vigil
