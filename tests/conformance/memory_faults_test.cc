// The faults that the engine in memory can be asked for, which simulations rest on.
#include "conformance/store_test.h"
#include "store/memory/memory_database.h"

namespace vigil {
namespace {

using memory::LostAnswer;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class MemoryFaults : public ::testing::Test {
 protected:
  void Turn() {
    loop_.context().restart();
    loop_.context().poll();
  }
  std::unique_ptr<Store> OpenStore(MemoryDatabase& database) {
    return database.OpenStore(std::chrono::seconds(1));
  }
  std::unique_ptr<LivenessSession> OpenSession(MemoryDatabase& database) {
    std::unique_ptr<LivenessSession> session;
    database.OpenLivenessSession([&](auto opened) { session = Must(std::move(opened)); });
    Turn();
    return session;
  }
  NewPod Newcomer() {
    return {.ns = kNs, .name = "cart", .registration_id = "one", .session = SessionNumber{7}};
  }

  EventLoop loop_;
  MemoryDatabase database_{loop_};
  std::unique_ptr<Store> store_ = OpenStore(database_);
};

TEST_F(MemoryFaults, Seeded) {
  MemoryDatabase same(loop_);
  MemoryDatabase other(loop_, {.seed = 2});
  const auto mark = [&](MemoryDatabase& database) {
    const auto store = OpenStore(database);
    Must(store->Register(Newcomer()));
    return Must(store->ReadBounds({kNs}))[0].head.mark;
  };
  EXPECT_EQ(mark(same), mark(database_));
  EXPECT_NE(mark(other), mark(database_));
}

TEST_F(MemoryFaults, Away_EveryCallFailsOnThatLinkAlone) {
  MemoryDatabase other(loop_, database_.engine());
  Must(OpenStore(other)->Register(Newcomer()));
  auto idle = OpenSession(database_);
  auto asked = OpenSession(database_);
  database_.SetAway(true);

  EXPECT_EQ(ReasonOf(store_->GetPod(kNs, "cart")), reason::kDatabaseUnavailable);
  EXPECT_EQ(ReasonOf(store_->Register(Newcomer())), reason::kDatabaseUnavailable);
  EXPECT_EQ(ReasonOf(OpenStore(other)->GetPod(kNs, "cart")), "OK");
  std::string_view opened;
  std::string_view pinged;
  int lost = 0;
  database_.OpenLivenessSession([&](auto result) { opened = ReasonOf(result); });
  asked->OnLost([&](const Error&) { ++lost; });
  asked->Ping([&](const Result<void>& pong) { pinged = ReasonOf(pong); });
  Turn();
  EXPECT_EQ(opened, reason::kDatabaseUnavailable);
  EXPECT_EQ(pinged, reason::kDatabaseUnavailable);
  EXPECT_EQ(lost, 1);

  database_.SetAway(false);
  EXPECT_EQ(ReasonOf(store_->GetPod(kNs, "cart")), "OK");
  idle->Ping([&](const Result<void>& pong) { pinged = ReasonOf(pong); });
  Turn();
  EXPECT_EQ(pinged, "OK");
}

TEST_F(MemoryFaults, LostAnswer_Committed) {
  database_.LoseNextAnswer(LostAnswer::kCommitted);
  EXPECT_EQ(ReasonOf(store_->GetPod(kNs, "cart")), reason::kPodNotFound) << "a read commits none";
  EXPECT_EQ(ReasonOf(store_->Register(Newcomer())), reason::kOutcomeUnknown);

  EXPECT_EQ(Must(store_->ListPods(kNs, true, {}, 10)).pods.size(), 1U);
  EXPECT_EQ(ReasonOf(store_->Register(Newcomer())), "OK") << "the repetition finds what it did";
  EXPECT_EQ(Must(store_->ReadEvents(kNs, {}, 10)).events.size(), 1U);
}

TEST_F(MemoryFaults, LostAnswer_NotCommitted) {
  database_.LoseNextAnswer(LostAnswer::kNotCommitted);
  EXPECT_EQ(ReasonOf(store_->Register(Newcomer())), reason::kOutcomeUnknown);

  EXPECT_THAT(Must(store_->ListPods(kNs, true, {}, 10)).pods, IsEmpty());
  EXPECT_EQ(ReasonOf(store_->Register(Newcomer())), "OK");
  EXPECT_EQ(Must(store_->ReadEvents(kNs, {}, 10)).events.size(), 1U);
}

TEST_F(MemoryFaults, Deaf_WakeUpsAreLost) {
  int heard = 0;
  auto listener = database_.Listen([&](const auto&) { ++heard; });
  database_.SetDeaf(true);
  Must(store_->Register(Newcomer()));
  Turn();
  EXPECT_EQ(heard, 0);

  database_.SetDeaf(false);
  Must(store_->Leave(kNs, {Must(store_->GetPod(kNs, "cart")).incarnation, SessionNumber{7}}));
  Turn();
  EXPECT_EQ(heard, 1);
}

TEST_F(MemoryFaults, EndSession_TheLockIsFreeBeforeTheHolderKnows) {
  auto holder = OpenSession(database_);
  auto other = OpenSession(database_);
  LockKey key{LockKind::kSession, 1'000};
  std::vector<std::string> order;
  holder->TakeLocks({key}, [](const auto&) {});
  Turn();
  holder->OnLost([&](const Error&) { order.emplace_back("the holder is told"); });

  // The survivor asks before the loop comes to what the holder is to be told.
  other->TakeLocks({key}, [&](Result<std::vector<LockKey>> taken) {
    EXPECT_THAT(Must(std::move(taken)), SizeIs(1));
    order.emplace_back("the survivor has it");
  });
  database_.engine()->EndSession(holder->backend());
  Turn();

  EXPECT_THAT(order, ElementsAre("the survivor has it", "the holder is told"));
}

TEST_F(MemoryFaults, Restart_AStoreFindsItsWay) {
  Must(store_->ReadBounds({}));
  database_.engine()->Restart();
  EXPECT_EQ(ReasonOf(store_->ReadBounds({})), "OK");
}

}  // namespace
}  // namespace vigil
