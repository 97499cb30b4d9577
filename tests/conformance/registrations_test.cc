// What becomes of registrations that are made together.
#include <algorithm>
#include <array>
#include <atomic>
#include <random>
#include <thread>

#include "conformance/lock_race_test.h"
#include "conformance/store_test.h"

namespace vigil {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const Registered* RegisteredIn(const Result<RegisterOutcome>& outcome) {
  return outcome ? std::get_if<Registered>(&*outcome) : nullptr;
}

class RegistrationsTest : public StoreTest {
 protected:
  static const Registered& Begun(const Result<RegisterOutcome>& outcome) {
    static const Registered kNone;
    const auto* registered = RegisteredIn(outcome);
    EXPECT_NE(registered, nullptr);
    return registered == nullptr ? kNone : *registered;
  }

  static Incarnation IncumbentOf(const Result<RegisterOutcome>& outcome) {
    const auto* taken = outcome ? std::get_if<NameTaken>(&*outcome) : nullptr;
    EXPECT_NE(taken, nullptr);
    return taken == nullptr ? Incarnation{} : taken->incumbent;
  }
};

VIGIL_FOR_EVERY_STORE(RegistrationsTest);

TEST_P(RegistrationsTest, RegisterTogether_EachBeginsWithItsOwnInOneTransaction) {  // P4
  constexpr int kPods = 100;
  Host host = AddHost();
  Host other = AddHost();
  std::vector<NewPod> wishes;
  for (int i = 0; i < kPods; ++i) {
    NewPod& wish = wishes.emplace_back(Newcomer(i % 3 == 0 ? other : host, Numbered("c", i)));
    wish.profile = i % 2 == 0 ? Profile::kFast : Profile::kStrict;
    wish.lease = std::chrono::milliseconds(1000 + i);
    wish.labels = {{"number", std::to_string(i)}, {"quoted", "\"\\{},'"}};
    wish.may_claim = i % 5 != 0;
  }
  std::ranges::reverse(wishes);

  const auto outcomes = store().RegisterTogether(wishes);

  ASSERT_THAT(outcomes, SizeIs(kPods));
  for (int i = 0; i < kPods; ++i) {
    const NewPod& wish = wishes[i];
    const Registered& registered = Begun(outcomes[i]);
    EXPECT_EQ(registered.pod.name, wish.name);
    EXPECT_EQ(registered.pod.state, PodState::kAlive);
    EXPECT_EQ(registered.pod.profile, wish.profile);
    EXPECT_EQ(registered.pod.lease, wish.lease);
    EXPECT_EQ(registered.pod.labels, wish.labels);
    EXPECT_EQ(registered.pod.coordinator, wish.coordinator);
    EXPECT_EQ(registered.pod.session, wish.session);
    EXPECT_EQ(registered.session_token, wish.session_token);
    EXPECT_THAT(registered.predecessors_work, IsEmpty());
  }
  EXPECT_THAT(AllPods(), SizeIs(kPods));
  const auto events = EventsAfter({});
  ASSERT_THAT(events, SizeIs(kPods));
  for (const Event& event : events) {
    EXPECT_EQ(event.kind, EventKind::kPodRegistered);
    EXPECT_EQ(event.transaction_end, Seq{kPods});
    EXPECT_EQ(event.pod_labels.at("number"), event.pod_name.substr(1));
  }
}

TEST_P(RegistrationsTest, RegisterTogether_WhatBecomesOfOneIsNothingToTheOthers) {
  Host host = AddHost();
  Host other = AddHost();
  const Pod incumbent = Register(host, "taken");
  const NewPod first = Newcomer(host, "repeated");
  const Pod repeated = RegisterAs(first).pod;
  const NewPod ended = Newcomer(host, "ended");
  Kill(RegisterAs(ended).pod);
  NewPod late = Newcomer(host, "late");
  const Pod newer = RegisterAs(late).pod;
  NewPod late_again = late;
  late_again.session = IssueSession(host);
  Must(ResumeOne(store(), Returning(other, newer)));
  NewPod repetition = Newcomer(other, "repeated");
  repetition.registration_id = first.registration_id;
  NewPod after_the_end = Newcomer(other, "ended");
  after_the_end.registration_id = ended.registration_id;
  const Seq begin = Head();

  const auto outcomes =
      store().RegisterTogether({Newcomer(other, "new"), Newcomer(other, "taken"), repetition,
                                after_the_end, late_again, Newcomer(other, "another")});

  ASSERT_THAT(outcomes, SizeIs(6));
  EXPECT_EQ(Begun(outcomes[0]).pod.name, "new");
  EXPECT_EQ(IncumbentOf(outcomes[1]), incumbent.incarnation);
  EXPECT_EQ(Begun(outcomes[2]).pod.incarnation, repeated.incarnation);
  EXPECT_EQ(Begun(outcomes[2]).pod.session, repetition.session);
  EXPECT_EQ(Begun(outcomes[2]).session_token, first.session_token);
  EXPECT_EQ(ReasonOf(outcomes[3]), reason::kIncarnationEnded);
  EXPECT_EQ(ReasonOf(outcomes[4]), reason::kSessionTaken);
  EXPECT_EQ(Begun(outcomes[5]).pod.name, "another");
  auto kinds = KindsAfter(begin);
  std::ranges::sort(kinds);
  EXPECT_THAT(kinds, ElementsAre(EventKind::kPodRegistered, EventKind::kPodRegistered,
                                 EventKind::kPodMoved));
  EXPECT_THAT(TakenFrom(host), testing::Contains(repeated.session));
}

TEST_P(RegistrationsTest, RegisterTogether_OneOfANameThatIsWishedTwice) {
  Host host = AddHost();
  const NewPod first = Newcomer(host, "cart");
  const NewPod second = Newcomer(host, "cart");

  const auto outcomes = store().RegisterTogether({first, Newcomer(host, "till"), second});

  ASSERT_THAT(outcomes, SizeIs(3));
  EXPECT_EQ(Begun(outcomes[0]).pod.session, first.session);
  EXPECT_EQ(Begun(outcomes[1]).pod.name, "till");
  EXPECT_EQ(IncumbentOf(outcomes[2]), Begun(outcomes[0]).pod.incarnation);
  EXPECT_EQ(Head(), Seq{2});
}

TEST_P(RegistrationsTest, RegisterTogether_OneIncarnationOfARegistrationThatIsMadeTwice) {
  Host host = AddHost();
  const NewPod first = Newcomer(host, "cart");
  NewPod second = Newcomer(host, "cart");
  second.registration_id = first.registration_id;
  NewPod renamed = Newcomer(host, "till");
  renamed.registration_id = first.registration_id;

  const auto outcomes = store().RegisterTogether({first, second, renamed});

  ASSERT_THAT(outcomes, SizeIs(3));
  for (const auto& outcome : outcomes) {
    EXPECT_EQ(Begun(outcome).pod.incarnation, Begun(outcomes[0]).pod.incarnation);
    EXPECT_EQ(Begun(outcome).pod.name, "cart");
  }
  EXPECT_EQ(Must(store().GetPod(kNs, "cart")).session, renamed.session);
  EXPECT_EQ(Head(), Seq{1});
}

TEST_P(RegistrationsTest, RegisterTogether_EachIsToldItsOwnPredecessorsWork) {
  Host host = AddHost();
  for (const char* name : {"cart", "till", "desk"}) {
    const Pod predecessor = Register(host, name);
    StartWork(predecessor, std::string(name) + "-2");
    StartWork(predecessor, std::string(name) + "-1");
    Kill(predecessor);
  }
  Kill(Register(host, "idle"));

  const auto outcomes = store().RegisterTogether({Newcomer(host, "till"), Newcomer(host, "new"),
                                                  Newcomer(host, "cart"), Newcomer(host, "idle")});

  ASSERT_THAT(outcomes, SizeIs(4));
  EXPECT_THAT(KeysOf(Begun(outcomes[0]).predecessors_work), ElementsAre("till-1", "till-2"));
  EXPECT_THAT(Begun(outcomes[1]).predecessors_work, IsEmpty());
  EXPECT_THAT(KeysOf(Begun(outcomes[2]).predecessors_work), ElementsAre("cart-1", "cart-2"));
  EXPECT_THAT(Begun(outcomes[3]).predecessors_work, IsEmpty());
}

TEST_P(RegistrationsTest, RegisterTogether_OfNobodyChangesNothing) {
  EXPECT_THAT(store().RegisterTogether({}), IsEmpty());
  EXPECT_THAT(AllPods(), IsEmpty());
}

TEST_P(RegistrationsTest, RegisterTogether_OneWinnerOfEachNameThatSeveralWish) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 10;
  constexpr int kNames = 30;
  Host host = AddHost();
  std::mt19937 random(7);
  std::vector<std::vector<std::vector<NewPod>>> wishes(kThreads);
  for (auto& rounds : wishes) {
    for (int round = 0; round < kRounds; ++round) {
      auto& batch = rounds.emplace_back();
      for (int name = 0; name < kNames; ++name) {
        batch.push_back(Newcomer(host, Numbered("c", round * kNames + name)));
      }
      std::ranges::shuffle(batch, random);
    }
  }
  std::array<std::atomic<int>, kRounds * kNames> winners{};

  Together(kThreads, [&](int thread, Store& store) {
    for (const auto& batch : wishes[thread]) {
      const auto outcomes = store.RegisterTogether(batch);
      for (const auto& outcome : outcomes) {
        ASSERT_TRUE(outcome) << outcome.error().message;
        const auto* registered = RegisteredIn(outcome);
        if (registered != nullptr) ++winners[std::stoi(registered->pod.name.substr(1))];
      }
    }
  });

  for (const auto& won : winners) EXPECT_EQ(won, 1);
  EXPECT_THAT(AllPods(), SizeIs(kRounds * kNames));
}

using RegistrationRaceTest = LockRaceTest;

// Each has what the other one waits for, were it not that both go by the names.
TEST_F(RegistrationRaceTest, RegisterTogether_OfTheSameNamesInAnotherOrderWaitsAndDoesNotDeadlock) {
  constexpr pg::Statement kDeadlocks{
      "deadlocks", "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"};
  constexpr int kRounds = 40;
  constexpr int kNames = 50;
  const auto batch = [](uint64_t first, int round, bool descending) {
    std::vector<NewPod> pods;
    for (int i = 0; i < kNames; ++i) {
      const uint64_t number = first + static_cast<uint64_t>(round * kNames + i);
      const int name = descending ? kNames - i : i + 1;
      pods.push_back({.ns = "shop",
                      .name = std::to_string(round) + "-" + std::to_string(name),
                      .registration_id = std::to_string(number),
                      .lease = std::chrono::seconds(3),
                      .coordinator = {1},
                      .session = {number}});
    }
    return pods;
  };
  std::atomic<int> begun = 0;
  const auto run = [&](uint64_t first, bool descending) {
    PostgresStore store({.conninfo = database_.conninfo()}, std::chrono::seconds(20));
    for (int round = 0; round < kRounds; ++round) {
      for (const auto& outcome : store.RegisterTogether(batch(first, round, descending), {})) {
        ASSERT_TRUE(outcome) << outcome.error().message;
        if (RegisteredIn(outcome) != nullptr) ++begun;
      }
    }
  };
  std::thread other([&] { run(1'000'000, true); });
  run(1, false);
  other.join();

  EXPECT_EQ(begun, kRounds * kNames);
  auto rows = Connect()->Execute({.steps = {{&kDeadlocks, {}}}, .changes = false}, Deadline());
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->front()[0].Bigint(), 0);
}

}  // namespace
}  // namespace vigil
