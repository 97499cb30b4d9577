// A coordinator that hosts hundreds of pods is killed, or freezes.
#include <csignal>
#include <tuple>

#include "crowd.h"
#include "measured.h"
#include "scenario.h"

namespace vigil {
namespace {

using std::chrono::seconds;

// The server's default, which these pods take.
constexpr auto kLease = seconds(3);

class CrowdedCoordinator : public Scenario {
 protected:
  // All on the first coordinator, and half of them go to each of the others from there, as they
  // would who choose at random.
  void StartPods() {
    const auto addresses = cluster().Addresses();
    for (const auto& [prefix, second, third] : {std::tuple("a-", 1, 2), std::tuple("b-", 2, 1)}) {
      const auto client = client::Client::Create(
          {.addresses = {addresses[0], addresses[static_cast<size_t>(second)],
                         addresses[static_cast<size_t>(third)]},
           .spread = false});
      ASSERT_TRUE(client);
      crowds_.push_back(std::make_unique<Crowd>(
          *client, Crowd::Options{.prefix = prefix, .size = FullOr(250, 75)}));
    }
    const auto on_the_first = [this](const client::Standing& standing) {
      return Hosted(standing) && standing.coordinator == cluster().number(0);
    };
    for (auto& crowd : crowds_) {
      ASSERT_EQ(crowd->AwaitRegistered(), "");
      ASSERT_FALSE(crowd->AwaitAll(on_the_first, kPatience).empty());
    }
  }

  // Everybody is hosted elsewhere within a lease.
  void ExpectAllResumed(Instant since) {
    for (auto& crowd : crowds_) {
      const auto resumed = crowd->AwaitAll(HostedElsewhere(cluster().number(0)), kPatience);
      ASSERT_FALSE(resumed.empty());
      for (const Instant at : resumed) ExpectWithin("a pod has resumed", at - since, kLease);
    }
  }

  void ExpectNobodyHarmed() {
    ASSERT_TRUE(log().AwaitSeq(client::Seq(Truth().through.value), kPatience));
    ExpectNone("deaths", log().Count(Of(client::EventKind::kPodDied)));
    size_t lost = 0;
    for (const auto& crowd : crowds_) lost += crowd->lost() + crowd->changed();
    ExpectNone("LOST", lost);
    EXPECT_EQ(log().Count(Of(client::EventKind::kPodRegistered)), static_cast<size_t>(pods()));
  }

  int pods() const { return crowds_[0]->size() + crowds_[1]->size(); }

 private:
  std::vector<std::unique_ptr<Crowd>> crowds_;
};

// P9
TEST_F(CrowdedCoordinator, CrowdedCoordinatorKilled_AllPodsResumeWithinTheirLease) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(StartPods());

  const Instant killed = Now();
  cluster().coordinator(0).Signal(SIGKILL);

  ASSERT_NO_FATAL_FAILURE(ExpectAllResumed(killed));
  EXPECT_TRUE(Database().AwaitSettled(pods(), 2, kPatience));
  ExpectNobodyHarmed();
}

// P9, P10: when it wakes, what it remembers is no evidence.
TEST_F(CrowdedCoordinator, CrowdedCoordinatorFrozen_AllPodsResumeWithinTheirLease) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(StartPods());

  const Instant frozen = Now();
  cluster().coordinator(0).Signal(SIGSTOP);
  ASSERT_NO_FATAL_FAILURE(ExpectAllResumed(frozen));
  EXPECT_FALSE(log().Await(Of(client::EventKind::kPodDied), FullOr(6, 1) * kLease));
  cluster().coordinator(0).Signal(SIGCONT);

  EXPECT_TRUE(Database().AwaitSettled(pods(), 3, kPatience));
  EXPECT_FALSE(log().Await(Of(client::EventKind::kPodDied), FullOr<Duration>(kLease, seconds(1))));
  ExpectNobodyHarmed();
}

}  // namespace
}  // namespace vigil
