// What must hold when several do it at once. Every thread has a store of its own.
#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "conformance/store_test.h"

namespace vigil {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::SizeIs;

using Incarnations = std::set<Incarnation>;

TEST_P(StoreTest, Register_OneWinnerOfARace) {
  constexpr int kThreads = 8;
  constexpr int kNames = 5;
  Host host = AddHost();
  std::vector<std::vector<NewPod>> wishes(kThreads);
  for (auto& own : wishes) {
    for (int name = 0; name < kNames; ++name) own.push_back(Newcomer(host, Numbered("c", name)));
  }
  std::array<std::atomic<int>, kNames> winners{};

  Together(kThreads, [&](int thread, Store& store) {
    for (int name = 0; name < kNames; ++name) {
      auto outcome = Must(store.Register(wishes[thread][name]));
      if (std::holds_alternative<Registered>(outcome)) ++winners[name];
    }
  });

  for (const auto& won : winners) EXPECT_EQ(won, 1);
  EXPECT_THAT(AllPods(), SizeIs(kNames));
}

TEST_P(StoreTest, Register_RepeatedAtOnceIsOneIncarnation) {
  Host host = AddHost();
  std::vector<NewPod> wishes;
  for (int i = 0; i < 4; ++i) {
    wishes.push_back(Newcomer(host, "cart"));
    wishes.back().registration_id = wishes.front().registration_id;
  }

  std::array<SessionNumber, 4> given{};

  Together(4, [&](int thread, Store& store) {
    auto outcome = store.Register(wishes[thread]);
    if (!outcome) {
      EXPECT_EQ(ReasonOf(outcome), reason::kSessionTaken);  // it came late
      return;
    }
    EXPECT_TRUE(std::holds_alternative<Registered>(*outcome));
    given[thread] = wishes[thread].session;
  });

  ASSERT_THAT(AllPods(), SizeIs(1));
  EXPECT_EQ(AllPods().front().session, std::ranges::max(given));
}

TEST_P(StoreTest, Log_ContiguousUnderConcurrentWriters) {  // P4
  constexpr int kWriters = 8;
  constexpr int kRounds = 25;
  Host host = AddHost();
  std::vector<Pod> pods;
  for (int i = 0; i < kWriters; ++i) pods.push_back(Register(host, Numbered("c", i)));
  const Position start = Must(store().ReadBounds({kNs}))[0].head;
  const Seq begin = start.seq;
  const Seq end{begin.value + kWriters * kRounds * 2};
  std::vector<Seq> heard;

  Together(kWriters + 1, [&](int thread, Store& store) {
    if (thread < kWriters) {
      const Pod& pod = pods[thread];
      for (int round = 0; round < kRounds; ++round) {
        WorkItem item = Must(store.StartWork(NewItem(pod.name, pod.incarnation))).item;
        Must(store.ReleaseWork({kNs, pod.name, pod.incarnation, item.fence}));
        HostedPod hosted = HostedAs(pod);
        if (round % 2 == 0) {
          Must(store.SuspectHosted(kNs, Cause::kStreamEnded, {hosted}));
        } else {
          Must(store.Refute(kNs, {hosted}));
        }
      }
      return;
    }
    // A reader that follows with a cursor, as the coordinators do.
    Position after = start;
    while (after.seq < end) {
      auto page = store.ReadEvents(kNs, after, 10);
      if (!page) return;
      for (const Event& event : page->events) heard.push_back(event.seq);
      if (!page->events.empty()) after = page->events.back().position();
    }
  });

  ASSERT_GE(heard.size(), end.value - begin.value);
  for (size_t i = 0; i < heard.size(); ++i) ASSERT_EQ(heard[i].value, begin.value + 1 + i);
}

TEST_P(StoreTest, Death_EventAndOrphansVisibleTogether) {  // P3
  constexpr int kPods = 250;
  Host host = AddHost();
  std::vector<Pod> pods;
  for (int i = 0; i < kPods; ++i) {
    pods.push_back(Register(host, Numbered("c", i)));
    StartWork(pods.back(), pods.back().name);
  }
  const Position begin = Must(store().ReadBounds({kNs}))[0].head;

  auto dead_rows = [](Store& store) {
    Incarnations dead;
    for (const Pod& pod : Must(store.ListPods(kNs, true, {}, 1000)).pods) {
      if (!pod.living()) dead.insert(pod.incarnation);
    }
    return dead;
  };
  auto told = [begin](Store& store) {
    Incarnations dead;
    for (const Event& event : Must(store.ReadEvents(kNs, begin, 1000)).events) {
      EXPECT_EQ(event.orphans, 1U);
      dead.insert(event.incarnation);
    }
    return dead;
  };
  auto orphaned = [](Store& store) {
    Incarnations dead;
    for (const WorkItem& item :
         Must(store.ListWork(kNs, {.claimable_only = true}, "", 1000)).items) {
      dead.insert(item.owner);
    }
    return dead;
  };
  std::atomic<int> looks = 0;
  using Look = std::function<Incarnations(Store&)>;
  const std::vector<std::array<Look, 3>> readers{
      {dead_rows, told, orphaned}, {told, orphaned, dead_rows}, {orphaned, dead_rows, told}};

  Together(4, [&](int thread, Store& store) {
    if (thread == 3) {
      for (const Pod& pod : pods) {
        // Not ahead of the readers, so that they are looking when it happens.
        for (int seen = looks; looks == seen && !HasFailure();) std::this_thread::yield();
        Must(store.DeclareHosted(kNs, Cause::kStreamEnded, {HostedAs(pod)}));
      }
      return;
    }
    // What is seen one way is seen the other ways from then on.
    Incarnations seen;
    while (seen.size() < kPods && !HasFailure()) {
      for (const Look& look : readers[thread]) {
        Incarnations next = look(store);
        EXPECT_TRUE(std::ranges::includes(next, seen));
        seen = next;
        ++looks;
      }
    }
  });
}

TEST_P(StoreTest, Snapshot_MatchesHead) {  // P8
  constexpr int kPods = 30;
  Host host = AddHost();
  std::vector<std::vector<NewPod>> wishes(2);
  for (int i = 0; i < kPods; ++i) {
    wishes[i % 2].push_back(Newcomer(host, Numbered("c", i)));
  }
  std::vector<PodSnapshot> snapshots;
  std::atomic<int> writing = 2;

  Together(3, [&](int thread, Store& store) {
    if (thread == 2) {
      while (writing > 0) snapshots.push_back(Must(store.Snapshot(kNs)));
      return;
    }
    for (const NewPod& wish : wishes[thread]) {
      auto outcome = Must(store.Register(wish));
      auto* registered = std::get_if<Registered>(&outcome);
      if (registered != nullptr && registered->pod.incarnation.value % 3 == 0) {
        Must(store.Leave(kNs, HostedAs(registered->pod)));
      }
    }
    --writing;
  });

  auto events = EventsAfter({});
  for (const PodSnapshot& snapshot : snapshots) {
    Incarnations expected;
    for (const Event& event : events) {
      if (event.seq > snapshot.head.seq) break;
      if (event.kind == EventKind::kPodRegistered) expected.insert(event.incarnation);
      if (event.kind == EventKind::kPodLeft) expected.erase(event.incarnation);
    }
    Incarnations found;
    for (const Pod& pod : snapshot.pods) found.insert(pod.incarnation);
    ASSERT_EQ(found, expected) << "at the head " << snapshot.head.seq.value;
  }
}

TEST_P(StoreTest, Claim_OneWinner) {  // P5
  constexpr int kClaimants = 8;
  constexpr int kItems = 20;
  Host host = AddHost();
  Pod owner = Register(host, "owner");
  std::vector<Pod> claimants;
  for (int i = 0; i < kClaimants; ++i) claimants.push_back(Register(host, Numbered("c", i)));
  std::vector<WorkItem> items;
  for (int i = 0; i < kItems; ++i) items.push_back(StartWork(owner, Numbered("item-", i)));
  Kill(owner);
  std::array<std::atomic<int>, kItems> winners{};

  Together(kClaimants, [&](int thread, Store& store) {
    for (int i = 0; i < kItems; ++i) {
      auto claimed = Must(store.ClaimWork({.ns = kNs,
                                           .key = items[i].key,
                                           .claimant = claimants[thread].incarnation,
                                           .expected_owner = owner.incarnation,
                                           .expected_fence = items[i].fence}));
      EXPECT_EQ(claimed.item.fence, Fence{2});
      bool won = claimed.outcome == ClaimOutcome::kClaimed;
      EXPECT_EQ(won, claimed.item.owner == claimants[thread].incarnation);
      if (won) ++winners[i];
    }
  });

  for (const auto& won : winners) EXPECT_EQ(won, 1);
}

TEST_P(StoreTest, ClaimOrphans_DisjointBatches) {  // P5
  constexpr int kClaimants = 6;
  constexpr int kItems = 100;
  Host host = AddHost();
  Pod owner = Register(host, "owner");
  std::vector<Pod> claimants;
  for (int i = 0; i < kClaimants; ++i) claimants.push_back(Register(host, Numbered("c", i)));
  for (int i = 0; i < kItems; ++i) StartWork(owner, Numbered("item-", i));
  Kill(owner);
  std::mutex mutex;
  std::map<std::string, int> claimed;
  auto claim = [&](Store& store, const Pod& claimant) {
    auto batch = Must(store.ClaimOrphans(AnyOrphans(claimant.incarnation, 7)));
    EXPECT_LE(batch.size(), 7U);
    std::lock_guard lock(mutex);
    for (const WorkItem& item : batch) {
      EXPECT_EQ(item.owner, claimant.incarnation);
      EXPECT_EQ(item.fence, Fence{2});
      ++claimed[item.key];
    }
    return !batch.empty();
  };

  Together(kClaimants, [&](int thread, Store& store) {
    while (claim(store, claimants[thread])) {
    }
  });
  // Those that one skipped because another had locked them.
  while (claim(store(), claimants[0])) {
  }

  EXPECT_EQ(claimed.size(), static_cast<size_t>(kItems));
  for (const auto& [key, times] : claimed) EXPECT_EQ(times, 1) << key;
}

TEST_P(StoreTest, Claim_ByTheDeadRefused) {  // P6
  constexpr int kRounds = 30;
  Host host = AddHost();
  Pod owner = Register(host, "owner");
  std::vector<Pod> claimants;
  std::vector<WorkItem> items;
  for (int i = 0; i < kRounds; ++i) {
    claimants.push_back(Register(host, Numbered("c", i)));
    items.push_back(StartWork(owner, Numbered("item-", i)));
  }
  Kill(owner);
  Seq begin = Head();
  std::vector<std::string> outcomes(kRounds);

  Together(2, [&](int thread, Store& store) {
    for (int i = 0; i < kRounds; ++i) {
      if (thread == 0) {
        Must(store.DeclareHosted(kNs, Cause::kStreamEnded, {HostedAs(claimants[i])}));
        continue;
      }
      auto claimed = store.ClaimWork({.ns = kNs,
                                      .key = items[i].key,
                                      .claimant = claimants[i].incarnation,
                                      .expected_owner = owner.incarnation,
                                      .expected_fence = Fence{1}});
      outcomes[i] = ReasonOf(claimed);
    }
  });

  std::map<Incarnation, uint32_t> left_behind;
  for (const Event& event : EventsAfter(begin)) {
    if (event.kind == EventKind::kPodDied) left_behind[event.incarnation] = event.orphans;
  }
  for (int i = 0; i < kRounds; ++i) {
    WorkItem item = Must(store().GetWork(kNs, items[i].key));
    EXPECT_TRUE(item.orphan);
    bool claimed = outcomes[i] == "OK";
    // Either it claimed first, and its death left the item behind, or it was refused.
    EXPECT_TRUE(claimed || outcomes[i] == reason::kIncarnationEnded) << outcomes[i];
    EXPECT_EQ(item.owner, claimed ? claimants[i].incarnation : owner.incarnation);
    EXPECT_EQ(left_behind.at(claimants[i].incarnation), claimed ? 1U : 0U);
  }
}

TEST_P(StoreTest, DeclareFree_TwoObserversOneDeath) {  // P2
  constexpr size_t kPods = 60;
  constexpr size_t kBatch = 3;
  constexpr int kObservers = 3;
  std::vector<Host> hosts;
  for (int i = 0; i < kObservers; ++i) hosts.push_back(AddHost());
  std::vector<Suspicion> suspicions;
  for (size_t i = 0; i < kPods; ++i) {
    Pod pod = RegisterFree(hosts[0], Numbered("c", static_cast<int>(i)));
    suspicions.push_back({HostedAs(pod), SuspectFree(hosts[0], pod)});
  }
  Seq begin = Head();
  std::mutex mutex;
  std::map<HostedPod, int> deaths;
  // In batches, so that the observers meet often.
  auto declare_all = [&](Store& store, int observer) {
    for (auto batch = suspicions.begin(); batch != suspicions.end(); batch += kBatch) {
      auto dead = Must(store.DeclareFree(hosts[observer].observer(), kNs, {batch, batch + kBatch}));
      std::lock_guard lock(mutex);
      for (const HostedPod& pod : dead) ++deaths[pod];
    }
  };

  Together(kObservers, [&](int thread, Store& store) { declare_all(store, thread); });
  // One that finds a key in another's hands judges nothing; the next verdict does.
  declare_all(store(), 0);

  EXPECT_THAT(deaths, SizeIs(kPods));
  for (const auto& [pod, times] : deaths) EXPECT_EQ(times, 1) << pod.incarnation.value;
  EXPECT_THAT(KindsAfter(begin), AllOf(SizeIs(kPods), Each(EventKind::kPodDied)));
}

TEST_P(StoreTest, SuspectFree_TwoObserversOneSuspicion) {
  constexpr int kPods = 20;
  Host host = AddHost();
  Host other = AddHost();
  std::vector<HostedPod> pods;
  for (int i = 0; i < kPods; ++i) pods.push_back(HostedAs(RegisterFree(host, Numbered("c", i))));
  Seq begin = Head();
  std::atomic<size_t> suspected = 0;

  Together(2, [&](int thread, Store& store) {
    const Host& observer = thread == 0 ? host : other;
    suspected += Must(store.SuspectFree(observer.observer(), kNs, pods)).size();
  });
  suspected += Must(store().SuspectFree(host.observer(), kNs, pods)).size();

  EXPECT_EQ(suspected, static_cast<size_t>(kPods));
  EXPECT_THAT(KindsAfter(begin), SizeIs(kPods));
}

TEST_P(StoreTest, Resume_RacingAVerdict) {  // P1, P2
  constexpr int kPods = 30;
  Host host = AddHost();
  Host other = AddHost();
  std::vector<Pod> pods;
  std::vector<Suspicion> suspicions;
  std::vector<ResumePod> resumes;
  for (int i = 0; i < kPods; ++i) {
    pods.push_back(RegisterFree(host, Numbered("c", i)));
    suspicions.push_back({HostedAs(pods[i]), SuspectFree(host, pods[i])});
    resumes.push_back(Returning(other, pods[i]));
  }
  std::vector<std::string_view> resumed(kPods);
  Incarnations dead;

  Together(2, [&](int thread, Store& store) {
    for (int i = 0; i < kPods; ++i) {
      if (thread == 0) {
        resumed[i] = ReasonOf(ResumeOne(store, resumes[i]));
        continue;
      }
      for (const HostedPod& pod : Must(store.DeclareFree(host.observer(), kNs, {suspicions[i]}))) {
        dead.insert(pod.incarnation);
      }
    }
  });

  for (int i = 0; i < kPods; ++i) {
    bool died = dead.contains(pods[i].incarnation);
    EXPECT_EQ(resumed[i], died ? reason::kIncarnationEnded : "OK");
    EXPECT_EQ(StateOf(pods[i]), died ? PodState::kDead : PodState::kAlive);
  }
}

}  // namespace
}  // namespace vigil
