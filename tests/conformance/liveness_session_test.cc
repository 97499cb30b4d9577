// Liveness sessions: who holds which lock, and how a loss is told.
#include <set>

#include "conformance/store_test.h"

namespace vigil {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class LivenessTest : public StoreTest {
 protected:
  uint64_t Issue(LivenessSession& session, LockKind kind = LockKind::kSession) {
    return Must(
        world().Await<uint64_t>([&](auto then) { session.IssueLock(kind, std::move(then)); }));
  }
  std::vector<LockKey> Take(LivenessSession& session, const std::vector<LockKey>& keys) {
    return Must(world().Await<std::vector<LockKey>>(
        [&](auto then) { session.TakeLocks(keys, std::move(then)); }));
  }
  Result<void> Ping(LivenessSession& session) {
    return world().Await<void>([&](auto then) { session.Ping(std::move(then)); });
  }
  // Locks that end with their holder's session are free a moment later.
  bool BecomesFree(LivenessSession& other, LockKey key) {
    return world().TurnUntil([&] { return !Take(other, {key}).empty(); });
  }
};

VIGIL_FOR_EVERY_STORE(LivenessTest);

TEST_P(LivenessTest, LivenessSession_EachIsABackendOfItsOwn) {
  auto one = OpenSession();
  auto two = OpenSession();
  EXPECT_TRUE(one->backend());
  EXPECT_NE(one->backend(), two->backend());
  EXPECT_TRUE(Ping(*one));
}

TEST_P(LivenessTest, LivenessSession_IssuedNumbersAreNeverTheSame) {
  auto one = OpenSession();
  auto two = OpenSession();
  for (LockKind kind : {LockKind::kSession, LockKind::kCoordinator}) {
    std::set<uint64_t> issued;
    uint64_t last = 0;
    for (int i = 0; i < 20; ++i) {
      uint64_t number = Issue(i % 2 == 0 ? *one : *two, kind);
      EXPECT_GT(number, last);
      issued.insert(number);
      last = number;
    }
    EXPECT_EQ(issued.size(), 20U);
  }
}

TEST_P(LivenessTest, LivenessSession_AnIssuedLockIsHeld) {
  auto holder = OpenSession();
  auto other = OpenSession();
  for (LockKind kind : {LockKind::kSession, LockKind::kCoordinator}) {
    LockKey key{kind, Issue(*holder, kind)};
    EXPECT_THAT(Take(*other, {key}), IsEmpty());
  }
}

TEST_P(LivenessTest, LivenessSession_KindsAreApart) {
  auto holder = OpenSession();
  auto other = OpenSession();
  uint64_t number = Issue(*holder, LockKind::kSession) + 1'000'000;
  LockKey session{LockKind::kSession, number};
  LockKey coordinator{LockKind::kCoordinator, number};
  EXPECT_THAT(Take(*holder, {session}), ElementsAre(session));
  EXPECT_THAT(Take(*other, {session, coordinator}), ElementsAre(coordinator));
}

TEST_P(LivenessTest, LivenessSession_TakesOnlyWhatIsFree) {
  auto holder = OpenSession();
  auto other = OpenSession();
  LockKey held{LockKind::kSession, Issue(*holder)};
  LockKey free{LockKind::kSession, held.number + 1'000'000};
  LockKey also_free{LockKind::kSession, held.number + 1'000'001};

  EXPECT_THAT(Take(*other, {free, held, also_free}), UnorderedElementsAre(free, also_free));

  EXPECT_THAT(Take(*holder, {free, also_free}), IsEmpty());
  EXPECT_THAT(Take(*holder, {}), IsEmpty());
}

TEST_P(LivenessTest, LivenessSession_TakesManyAtOnce) {
  auto holder = OpenSession();
  auto other = OpenSession();
  uint64_t base = Issue(*holder) + 1'000'000;
  std::vector<LockKey> keys;
  for (uint64_t i = 0; i < 500; ++i) keys.push_back({LockKind::kSession, base + i});
  EXPECT_THAT(Take(*holder, keys), ::testing::UnorderedElementsAreArray(keys));
  EXPECT_THAT(Take(*other, keys), IsEmpty());
  EXPECT_TRUE(Ping(*holder));
}

TEST_P(LivenessTest, LivenessSession_ReleasedLocksAreFree) {
  auto holder = OpenSession();
  auto other = OpenSession();
  LockKey released{LockKind::kSession, Issue(*holder)};
  LockKey kept{LockKind::kSession, Issue(*holder)};
  LockKey also_released{LockKind::kSession, Issue(*holder)};

  Must(world().Await<void>([&](auto then) {
    holder->ReleaseLocks({released, also_released}, std::move(then));
  }));

  EXPECT_THAT(Take(*other, {released, kept, also_released}),
              UnorderedElementsAre(released, also_released));
}

TEST_P(LivenessTest, LivenessSession_AnswersInOrderAndNeverInsideTheCall) {
  auto session = OpenSession();
  std::vector<int> answered;
  bool calling = true;
  auto note = [&](int number) {
    EXPECT_FALSE(calling);
    answered.push_back(number);
  };
  LockKey key{LockKind::kSession, 123'456'789};
  session->IssueLock(LockKind::kSession, [&](const Result<uint64_t>& number) {
    EXPECT_TRUE(number);
    note(1);
  });
  session->TakeLocks({key}, [&](Result<std::vector<LockKey>> taken) {
    EXPECT_THAT(Must(std::move(taken)), ElementsAre(key));
    note(2);
  });
  session->Ping([&](const Result<void>& pong) {
    EXPECT_TRUE(pong);
    note(3);
  });
  session->ReleaseLocks({key}, [&](const Result<void>& released) {
    EXPECT_TRUE(released);
    note(4);
  });
  calling = false;
  EXPECT_TRUE(world().TurnUntil([&] { return answered.size() == 4; }));
  EXPECT_THAT(answered, ElementsAre(1, 2, 3, 4));
}

TEST_P(LivenessTest, LivenessSession_LossFreesAllItsLocks) {
  auto holder = OpenSession();
  auto other = OpenSession();
  std::vector<LockKey> keys;
  for (int i = 0; i < 5; ++i) keys.push_back({LockKind::kSession, Issue(*holder)});

  world().EndSession(holder->backend());

  for (LockKey key : keys) EXPECT_TRUE(BecomesFree(*other, key));
}

TEST_P(LivenessTest, LivenessSession_LossIsToldOnceToWhoDoesNotAsk) {
  auto holder = OpenSession();
  auto other = OpenSession();
  int told = 0;
  holder->OnLost([&](const Error& error) {
    EXPECT_EQ(error.reason, reason::kDatabaseUnavailable);
    ++told;
  });

  world().EndSession(holder->backend());
  EXPECT_EQ(told, 0) << "later, on the scheduler's thread";

  EXPECT_TRUE(world().TurnUntil([&] { return told > 0; }));
  EXPECT_FALSE(Ping(*holder));
  EXPECT_TRUE(Ping(*other));
  EXPECT_EQ(told, 1);
}

TEST_P(LivenessTest, LivenessSession_NothingWorksAfterALoss) {
  auto session = OpenSession();
  LockKey key{LockKind::kSession, Issue(*session)};
  world().EndSession(session->backend());
  auto other = OpenSession();
  ASSERT_TRUE(BecomesFree(*other, key));

  EXPECT_EQ(ReasonOf(Ping(*session)), reason::kDatabaseUnavailable);
  EXPECT_EQ(ReasonOf(Ping(*session)), reason::kDatabaseUnavailable) << "it stays lost";
  EXPECT_EQ(ReasonOf(world().Await<uint64_t>(
                [&](auto then) { session->IssueLock(LockKind::kSession, std::move(then)); })),
            reason::kDatabaseUnavailable);
  EXPECT_EQ(ReasonOf(world().Await<std::vector<LockKey>>(
                [&](auto then) { session->TakeLocks({key}, std::move(then)); })),
            reason::kDatabaseUnavailable);
}

TEST_P(LivenessTest, LivenessSession_WhoWaitsIsToldBeforeTheLoss) {
  auto session = OpenSession();
  auto other = OpenSession();
  std::vector<std::string> told;
  session->OnLost([&](const Error&) { told.push_back("lost"); });
  world().EndSession(session->backend());
  for (const char* which : {"first", "second"}) {
    session->Ping([&told, which](const Result<void>& pong) {
      EXPECT_EQ(ReasonOf(pong), reason::kDatabaseUnavailable);
      told.emplace_back(which);
    });
  }
  EXPECT_TRUE(world().TurnUntil([&] { return told.size() == 3; }));
  EXPECT_TRUE(Ping(*other));
  EXPECT_THAT(told, ElementsAre("first", "second", "lost"));
}

TEST_P(LivenessTest, LivenessSession_OnLostAfterTheLoss) {
  auto session = OpenSession();
  world().EndSession(session->backend());
  ASSERT_TRUE(world().TurnUntil([&] { return !Ping(*session); }));
  bool told = false;
  session->OnLost([&](const Error&) { told = true; });
  EXPECT_FALSE(told);
  EXPECT_TRUE(world().TurnUntil([&] { return told; }));
}

TEST_P(LivenessTest, LivenessSession_DestroyedFreesAndCallsNothing) {
  auto holder = OpenSession();
  auto other = OpenSession();
  LockKey key{LockKind::kSession, Issue(*holder)};
  bool called = false;
  holder->OnLost([&](const Error&) { called = true; });
  holder->Ping([&](const Result<void>&) { called = true; });

  holder.reset();

  EXPECT_TRUE(BecomesFree(*other, key));
  EXPECT_TRUE(Ping(*other));
  EXPECT_FALSE(called);
}

TEST_P(LivenessTest, LivenessSession_MayBeDestroyedInItsCallback) {
  auto session = OpenSession();
  auto other = OpenSession();
  int called = 0;
  session->OnLost([&](const Error&) { ++called; });
  session->Ping([&](const Result<void>&) {
    ++called;
    session.reset();
  });
  session->Ping([&](const Result<void>&) { ++called; });
  EXPECT_TRUE(world().TurnUntil([&] { return called > 0; }));
  EXPECT_TRUE(Ping(*other));

  auto lost = OpenSession();
  lost->OnLost([&](const Error&) {
    ++called;
    lost.reset();
  });
  world().EndSession(lost->backend());
  EXPECT_TRUE(world().TurnUntil([&] { return lost == nullptr; }));
  EXPECT_EQ(called, 2);
}

TEST_P(LivenessTest, LivenessSession_ARestartEndsThemAll) {
  auto one = OpenSession();
  auto two = OpenSession();
  LockKey key{LockKind::kSession, Issue(*one)};
  int told = 0;
  one->OnLost([&](const Error&) { ++told; });
  two->OnLost([&](const Error&) { ++told; });

  world().Restart();

  EXPECT_TRUE(world().TurnUntil([&] { return told == 2; }));
  auto after = OpenSession();
  EXPECT_THAT(Take(*after, {key}), ElementsAre(key));
  EXPECT_GT(Issue(*after), key.number) << "numbers are never issued twice";
  ASSERT_TRUE(world().TurnUntil([&] { return store().ReadBounds({}).has_value(); }));
}

}  // namespace
}  // namespace vigil
