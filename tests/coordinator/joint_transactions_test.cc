// Registrations that are made at once, on their way into the database.
#include "coordinator/joint_transactions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/simulated_cluster.h"
#include "core/errors.h"

namespace vigil {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::SizeIs;

class JointTransactionsTest : public testing::Test {
 protected:
  std::vector<PodHandle> BeginMany(SimulatedCluster::Member& host, size_t count) {
    std::vector<PodHandle> pods;
    for (size_t i = 0; i < count; ++i) {
      pods.push_back(cluster_.BeginRegister(host, {.name = "p" + std::to_string(i)}));
    }
    return pods;
  }

  size_t Locks() {
    return cluster_.engine->Inspect(
        [](const auto&, const auto& server) { return server.locks.size(); });
  }

  SimulatedCluster cluster_;
};

// P11
TEST_F(JointTransactionsTest, ThoseThatWaitTogetherAreCommittedTogetherInBoundedTransactions) {
  auto& host = cluster_.Add();
  const auto pods = BeginMany(host, kMostRegistered + 20);
  cluster_.scheduler.Settle();
  for (const auto& pod : pods) EXPECT_NE(pod->Last<RegisteredAnswer>(), nullptr);
  std::vector<uint64_t> ends;
  for (const Event& event : cluster_.Log()) {
    if (ends.empty() || ends.back() != event.transaction_end.value) {
      ends.push_back(event.transaction_end.value);
    }
  }
  EXPECT_THAT(ends, ElementsAre(kMostRegistered, kMostRegistered + 20));
}

TEST_F(JointTransactionsTest, WhoeverHasGoneBeforeItsTransactionBeginsIsLeftOut) {
  auto& host = cluster_.Add();
  cluster_.scheduler.Advance(seconds(1));
  const size_t locks = Locks();
  host.lane.StallNext(seconds(1));
  const auto pods = BeginMany(host, 3);
  cluster_.scheduler.Settle();
  EXPECT_EQ(Locks(), locks + 3);

  cluster_.Break(host, pods[1]);
  cluster_.scheduler.Advance(seconds(2));

  EXPECT_NE(pods[0]->Last<RegisteredAnswer>(), nullptr);
  EXPECT_EQ(pods[1]->Last<RegisteredAnswer>(), nullptr);
  EXPECT_NE(pods[2]->Last<RegisteredAnswer>(), nullptr);
  EXPECT_THAT(cluster_.Log(), SizeIs(2));
  EXPECT_EQ(Locks(), locks + 2) << "its lock is let go";
}

// P11
TEST_F(JointTransactionsTest, AFullLaneIsSaidToAllThatWaitForIt) {
  class FullLane final : public Lane {
   public:
    bool Enqueue(std::function<void(Store&)> /*work*/) override { return false; }
    const std::string& name() const override { return name_; }

   private:
    const std::string name_ = "full";
  };
  FullLane lane;
  JointTransactions<NewPod, RegisterOutcome> registrations(
      lane, cluster_.scheduler, kMostRegistered,
      [](Store& store, const std::vector<NewPod>& pods) { return store.RegisterTogether(pods); });
  const auto awaits = std::make_shared<char>();
  std::vector<std::string> reasons;
  for (uint64_t session = 1; session <= 2; ++session) {
    registrations.Add({.ns = "default", .session = {session}}, awaits,
                      [&](const Result<RegisterOutcome>& outcome) {
                        reasons.emplace_back(outcome ? "" : outcome.error().reason);
                      });
  }
  cluster_.scheduler.Settle();
  EXPECT_THAT(reasons, ElementsAre(reason::kLimitReached, reason::kLimitReached));
}

}  // namespace
}  // namespace vigil
