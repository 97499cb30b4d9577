// The end of an incumbent and the beginning of its successor as one.
#include <algorithm>
#include <array>
#include <barrier>
#include <functional>
#include <map>

#include "conformance/store_test.h"

namespace vigil {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const std::string kKey = "the-key-of-this-name";

class SupersedeTest : public StoreTest {
 protected:
  NewPod Keyed(Host& host, const std::string& name = "cart", const std::string& key = kKey) {
    NewPod pod = Newcomer(host, name);
    pod.supersede_key = key;
    return pod;
  }

  std::vector<Pod> Living() {
    auto pods = AllPods();
    std::erase_if(pods, [](const Pod& pod) { return !pod.living(); });
    return pods;
  }

  // An incumbent, and who wishes to supersede it.
  struct Rivals {
    Pod incumbent;
    NewPod wish;
  };
  std::vector<Rivals> MakeRivals(Host& host, int count) {
    std::vector<Rivals> rivals;
    for (int i = 0; i < count; ++i) {
      const std::string name = Numbered("c", i);
      rivals.push_back({RegisterAs(Keyed(host, name)).pod, Keyed(host, name)});
    }
    return rivals;
  }

  // Both at once in every round, and neither ahead of the other.
  using InRound = std::function<void(int round, Store& store)>;
  void TogetherInRounds(int rounds, const InRound& first, const InRound& second) {
    std::barrier begin(2);
    Together(2, [&](int thread, Store& store) {
      for (int round = 0; round < rounds; ++round) {
        begin.arrive_and_wait();
        (thread == 0 ? first : second)(round, store);
      }
    });
  }
};

VIGIL_FOR_EVERY_STORE(SupersedeTest);

TEST_P(SupersedeTest, Supersede_EndAndBeginningAreOneTransaction) {  // P3
  Host host = AddHost();
  Host other = AddHost();
  Pod incumbent = RegisterAs(Keyed(host)).pod;
  StartWork(incumbent, "item");
  Seq begin = Head();
  NewPod wish = Keyed(other);
  wish.profile = Profile::kFast;

  auto registered = Must(store().Supersede(wish, incumbent.incarnation));

  ASSERT_TRUE(registered.has_value());
  EXPECT_GT(registered->pod.incarnation, incumbent.incarnation);
  EXPECT_EQ(registered->pod.name, "cart");
  EXPECT_EQ(registered->pod.state, PodState::kAlive);
  EXPECT_EQ(registered->pod.profile, Profile::kFast);
  EXPECT_EQ(HostedAs(registered->pod).session, wish.session);
  EXPECT_EQ(registered->session_token, wish.session_token);
  ASSERT_THAT(KeysOf(registered->predecessors_work), ElementsAre("item"));
  EXPECT_TRUE(registered->predecessors_work[0].orphan);

  auto events = EventsAfter(begin);
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0].kind, EventKind::kPodDied);
  EXPECT_EQ(events[0].incarnation, incumbent.incarnation);
  EXPECT_EQ(events[0].cause, Cause::kSuperseded);
  EXPECT_EQ(events[0].orphans, 1U);
  EXPECT_EQ(events[1].kind, EventKind::kPodRegistered);
  EXPECT_EQ(events[1].incarnation, registered->pod.incarnation);
  EXPECT_EQ(events[1].cause, Cause::kNone);
  EXPECT_EQ(events[0].transaction_end, events[1].seq);

  const Pod ended = AllPods()[0];
  EXPECT_EQ(ended.state, PodState::kDead);
  EXPECT_EQ(ended.cause, Cause::kSuperseded);
  EXPECT_TRUE(ended.ended_at);
  EXPECT_THAT(TakenFrom(host), ElementsAre(incumbent.session));
  EXPECT_EQ(Must(Claim(registered->pod, registered->predecessors_work[0])).outcome,
            ClaimOutcome::kClaimed);
}

TEST_P(SupersedeTest, Supersede_NeedsTheIncumbentsKey) {  // P1
  Host host = AddHost();
  Pod keyed = RegisterAs(Keyed(host)).pod;
  Pod keyless = Register(host, "may-run-twice");
  Seq begin = Head();

  EXPECT_EQ(Must(store().Supersede(Keyed(host, "cart", ""), keyed.incarnation)), std::nullopt);
  EXPECT_EQ(Must(store().Supersede(Keyed(host, "cart", "other"), keyed.incarnation)), std::nullopt);
  EXPECT_EQ(Must(store().Supersede(Keyed(host, "may-run-twice"), keyless.incarnation)),
            std::nullopt);
  EXPECT_EQ(Must(store().Supersede(Keyed(host, "may-run-twice", ""), keyless.incarnation)),
            std::nullopt);

  EXPECT_EQ(Head(), begin);
  EXPECT_THAT(Living(), SizeIs(2));
  EXPECT_THAT(TakenFrom(host), IsEmpty());
}

TEST_P(SupersedeTest, Supersede_OnlyTheLivingIncarnationNamed) {  // P2
  Host host = AddHost();
  Pod dead = RegisterAs(Keyed(host)).pod;
  Kill(dead);
  Pod incumbent = RegisterAs(Keyed(host)).pod;
  Seq begin = Head();

  EXPECT_EQ(Must(store().Supersede(Keyed(host), dead.incarnation)), std::nullopt);
  EXPECT_EQ(Must(store().Supersede(Keyed(host, "other"), incumbent.incarnation)), std::nullopt);
  NewPod elsewhere = Newcomer(host, "cart", "other");
  elsewhere.supersede_key = kKey;
  EXPECT_EQ(Must(store().Supersede(elsewhere, incumbent.incarnation)), std::nullopt);

  EXPECT_EQ(Head(), begin);
  EXPECT_EQ(StateOf(incumbent), PodState::kAlive);
}

TEST_P(SupersedeTest, Supersede_ASuspectToo) {
  Host host = AddHost();
  Pod incumbent = RegisterAs(Keyed(host)).pod;
  ReleaseSession(host, incumbent.session);
  SuspicionNumber suspicion = SuspectFree(host, incumbent);

  EXPECT_NE(Must(store().Supersede(Keyed(host), incumbent.incarnation)), std::nullopt);

  EXPECT_EQ(StateOf(incumbent), PodState::kDead);
  EXPECT_THAT(Must(store().DeclareFree(host.observer(), kNs, {{HostedAs(incumbent), suspicion}})),
              IsEmpty());
}

TEST_P(SupersedeTest, Supersede_ARepetitionFindsItsIncarnation) {
  Host host = AddHost();
  NewPod first = Keyed(host);
  Pod incumbent = RegisterAs(first).pod;
  NewPod wish = Keyed(host);
  auto registered = Must(store().Supersede(wish, incumbent.incarnation));
  ASSERT_TRUE(registered.has_value());
  Seq begin = Head();

  EXPECT_EQ(RegisterAs(wish).pod.incarnation, registered->pod.incarnation);
  EXPECT_EQ(Must(store().Supersede(wish, registered->pod.incarnation)), std::nullopt);
  // The superseded one does not come back.
  auto returned = store().Register(first);
  EXPECT_EQ(ReasonOf(returned), reason::kIncarnationEnded);
  EXPECT_THAT(MetadataOf(returned), ::testing::Contains(std::pair("cause", "SUPERSEDED")));
  EXPECT_EQ(ReasonOf(ResumeOne(store(), Returning(host, incumbent))), reason::kIncarnationEnded);
  EXPECT_EQ(Head(), begin);
}

TEST_P(SupersedeTest, Supersede_OneWinnerOfARace) {
  constexpr int kThreads = 8;
  constexpr int kRounds = 10;
  Host host = AddHost();
  for (int round = 0; round < kRounds; ++round) {
    const std::string name = Numbered("c", round);
    Pod incumbent = RegisterAs(Keyed(host, name)).pod;
    std::vector<NewPod> wishes;
    for (int i = 0; i < kThreads; ++i) wishes.push_back(Keyed(host, name));
    std::array<std::optional<Registered>, kThreads> outcomes;

    Together(kThreads, [&](int thread, Store& store) {
      outcomes[thread] = Must(store.Supersede(wishes[thread], incumbent.incarnation));
    });

    std::vector<Incarnation> winners;
    for (const auto& outcome : outcomes) {
      if (outcome) winners.push_back(outcome->pod.incarnation);
    }
    ASSERT_THAT(winners, SizeIs(1));
    EXPECT_EQ(Must(store().GetPod(kNs, name)).incarnation, winners[0]);
  }
  EXPECT_THAT(Living(), SizeIs(kRounds));
}

// What the log says of a pod's end is one thing, whoever was first.
TEST_P(SupersedeTest, Supersede_RacingAVerdictAFarewellAndAResume) {  // P1, P2
  constexpr int kRounds = 30;
  Host host = AddHost();
  Host other = AddHost();
  const auto rivals = MakeRivals(host, kRounds);
  std::vector<ResumePod> resumes;
  for (const auto& [incumbent, wish] : rivals) resumes.push_back(Returning(other, incumbent));
  Seq begin = Head();
  std::vector<std::optional<Registered>> outcomes(kRounds);

  TogetherInRounds(
      kRounds,
      [&](int i, Store& store) {
        outcomes[i] = Must(store.Supersede(rivals[i].wish, rivals[i].incumbent.incarnation));
      },
      [&](int i, Store& store) {
        if (i % 3 == 0) {
          Must(store.DeclareHosted(kNs, Cause::kStreamEnded, {HostedAs(rivals[i].incumbent)}));
        } else if (i % 3 == 1) {
          EXPECT_THAT(ReasonOf(store.Leave(kNs, HostedAs(rivals[i].incumbent))),
                      AnyOf("OK", reason::kIncarnationEnded));
        } else {
          EXPECT_THAT(ReasonOf(ResumeOne(store, resumes[i])),
                      AnyOf("OK", reason::kIncarnationEnded));
        }
      });

  auto events = EventsAfter(begin);
  for (int i = 0; i < kRounds; ++i) {
    const Incarnation incumbent = rivals[i].incumbent.incarnation;
    int ends = 0;
    for (const Event& event : events) {
      if (event.incarnation != incumbent) continue;
      if (event.kind != EventKind::kPodDied && event.kind != EventKind::kPodLeft) continue;
      ++ends;
      EXPECT_EQ(event.cause == Cause::kSuperseded, outcomes[i].has_value());
    }
    EXPECT_EQ(ends, 1);
    // A resume gives the incumbent another session, and no protection.
    EXPECT_TRUE(i % 3 != 2 || outcomes[i].has_value());
  }
}

TEST_P(SupersedeTest, Supersede_CountsWhatTheIncumbentStartsMeanwhile) {  // P3
  constexpr int kRounds = 60;
  Host host = AddHost();
  const auto rivals = MakeRivals(host, kRounds);
  Seq begin = Head();
  std::vector<size_t> left(kRounds);

  TogetherInRounds(
      kRounds,
      [&](int i, Store& store) {
        auto registered = Must(store.Supersede(rivals[i].wish, rivals[i].incumbent.incarnation));
        left[i] = registered.value().predecessors_work.size();
      },
      [&](int i, Store& store) {
        EXPECT_THAT(ReasonOf(store.StartWork(
                        NewItem(rivals[i].incumbent.name, rivals[i].incumbent.incarnation))),
                    AnyOf("OK", reason::kIncarnationEnded));
      });

  std::map<Incarnation, size_t> owned;
  for (const WorkItem& item : AllWork()) ++owned[item.owner];
  std::map<Incarnation, size_t> told;
  for (const Event& event : EventsAfter(begin)) {
    if (event.kind == EventKind::kPodDied) told[event.incarnation] = event.orphans;
  }
  for (int i = 0; i < kRounds; ++i) {
    EXPECT_EQ(told[rivals[i].incumbent.incarnation], owned[rivals[i].incumbent.incarnation]);
    EXPECT_EQ(left[i], owned[rivals[i].incumbent.incarnation]);
  }
}

// A beginning that is refused leaves the incumbent alone.
TEST_P(SupersedeTest, Supersede_BothOrNone) {
  constexpr int kRounds = 60;
  Host host = AddHost();
  const auto rivals = MakeRivals(host, kRounds);
  std::vector<NewPod> others;
  for (const auto& [incumbent, wish] : rivals) {
    others.push_back(Newcomer(host, "other-" + wish.name));
    others.back().registration_id = wish.registration_id;
  }
  std::array<bool, kRounds> superseded{};

  TogetherInRounds(
      kRounds,
      [&](int i, Store& store) {
        auto outcome = store.Supersede(rivals[i].wish, rivals[i].incumbent.incarnation);
        superseded[i] = outcome && outcome->has_value();
      },
      [&](int i, Store& store) {
        EXPECT_THAT(ReasonOf(store.Register(others[i])), AnyOf("OK", reason::kSessionTaken));
      });

  for (int i = 0; i < kRounds; ++i) {
    EXPECT_EQ(StateOf(rivals[i].incumbent), superseded[i] ? PodState::kDead : PodState::kAlive);
  }
  EXPECT_THAT(Living(), SizeIs(2 * kRounds - std::ranges::count(superseded, true)));
}

}  // namespace
}  // namespace vigil
