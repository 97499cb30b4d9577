// The locks with which pods are hosted and ended on Postgres, beside a change of their work that is
// under way: of a busy pod there always is one.
#include "conformance/lock_race_test.h"

namespace vigil {
namespace {

class PodLocksTest : public LockRaceTest {
 protected:
  // A pod whose checkpoint waits for its item.
  PodLocksTest() {
    AddPod(1, "till");
    Start("cart", 1, RecoveryPolicy::kCompete);
    item_ = Hold("SELECT FROM vigil.work_items FOR UPDATE");
    checkpoint_ = std::async(std::launch::async, [this] {
      return store_.CheckpointWork({"shop", "cart", {1}, Fence{1}}, "half", 1);
    });
    AwaitWaiting(checkpoint_);
  }

  ~PodLocksTest() override {
    if (checkpoint_.valid()) FinishWork();
  }

  void FinishWork() {
    item_.reset();
    const auto written = checkpoint_.get();
    EXPECT_TRUE(written) << written.error().message;
  }

  // Another session, with less patience.
  PostgresStore other_{target_, std::chrono::seconds(5)};

 private:
  std::unique_ptr<pg::Connection> item_;
  std::future<Result<WorkItem>> checkpoint_;
};

TEST_F(PodLocksTest, Resume_DoesNotWaitForThePodsWork) {  // P9
  const auto resumed =
      other_.ResumeTogether({{"shop", {1}, "", {.value = 1}, {.value = 2}}}, {}).front();
  ASSERT_TRUE(resumed) << resumed.error().message;
  EXPECT_EQ(resumed->session, SessionNumber{2});
}

TEST_F(PodLocksTest, Resume_DoesNotWaitForATransferToThePod) {  // P9
  AddPod(2, "desk");
  PostgresStore giver(target_, std::chrono::seconds(20));
  auto transfer = std::async(std::launch::async, [&] {
    return giver.TransferWork({"shop", "cart", {1}, Fence{1}}, "desk");
  });
  AwaitWaiting(transfer, 2);
  const auto resumed =
      other_.ResumeTogether({{"shop", {2}, "", {.value = 1}, {.value = 3}}}, {}).front();
  EXPECT_TRUE(resumed) << resumed.error().message;
  FinishWork();
  const auto given = transfer.get();
  ASSERT_TRUE(given) << given.error().message;
  EXPECT_EQ(given->owner, Incarnation{2});
}

TEST_F(PodLocksTest, SuspectedAndRefuted_WithoutWaitingForThePodsWork) {  // P9
  const std::vector<HostedPod> pods{{{1}, {1}}};
  const auto suspected = other_.SuspectHosted("shop", Cause::kHeartbeatsStopped, pods, {});
  ASSERT_TRUE(suspected) << suspected.error().message;
  EXPECT_EQ(suspected->events.size(), 1U);
  const auto refuted = other_.Refute("shop", pods, {});
  ASSERT_TRUE(refuted) << refuted.error().message;
  EXPECT_EQ(refuted->size(), 1U);
}

TEST_F(PodLocksTest, Register_DoesNotWaitForTheWorkOfWhoHasTheName) {
  const auto outcome = other_
                           .RegisterTogether({{.ns = "shop",
                                               .name = "till",
                                               .registration_id = "another",
                                               .lease = std::chrono::seconds(3),
                                               .coordinator = {1},
                                               .session = {2}}},
                                             {})
                           .front();
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_TRUE(std::holds_alternative<NameTaken>(*outcome));
}

TEST_F(PodLocksTest, Verdict_WaitsUntilThePodsWorkIsWritten) {  // P6
  auto verdict = std::async(std::launch::async, [&] {
    return other_.DeclareHosted("shop", Cause::kStreamEnded, {{{1}, {1}}}, {});
  });
  AwaitWaiting(verdict, 2);
  EXPECT_EQ(verdict.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  FinishWork();
  const auto declared = verdict.get();
  ASSERT_TRUE(declared) << declared.error().message;
  EXPECT_EQ(declared->events.size(), 1U);
}

}  // namespace
}  // namespace vigil
