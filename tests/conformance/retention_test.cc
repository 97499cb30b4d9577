// What leaves the log and the tables when it is old, and what stays.
#include <algorithm>
#include <atomic>
#include <map>
#include <set>

#include "conformance/store_test.h"

namespace vigil {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint64_t kManyEvents = 1'000'000;
constexpr Duration kAge = minutes(30);
constexpr uint32_t kBatch = 100;

class RetentionTest : public StoreTest {
 protected:
  // The log begins anywhere here, so it is held to less than elsewhere.
  void TearDown() override { Retained(); }

  // Every event that the log has.
  std::vector<Event> Retained() {
    const LogBounds bounds = Must(store().ReadBounds({kNs}))[0];
    std::vector<Event> log;
    Position after = bounds.start;
    while (after != bounds.head) {
      const EventPage page = Must(store().ReadEvents(kNs, after, 7));
      EXPECT_FALSE(page.expired);
      EXPECT_EQ(page.oldest.value, bounds.start.seq.value + 1);
      EXPECT_EQ(page.head, bounds.head.seq);
      if (page.events.empty() || HasFailure()) break;
      log.insert(log.end(), page.events.begin(), page.events.end());
      after = log.back().position();
    }
    for (size_t i = 0; i < log.size(); ++i) {
      EXPECT_EQ(log[i].seq.value, bounds.start.seq.value + 1 + i);
    }
    return log;
  }

  Position Start() { return Must(store().ReadBounds({kNs}))[0].start; }

  // Rounds until there is no more to do; what they deleted together.
  Pruned PruneAll(const Retention& retention, uint32_t batch = kBatch) {
    Pruned all{.more = true};
    while (all.more && !HasFailure()) {
      const Pruned round = Must(store().Prune(kNs, retention, batch));
      all.events += round.events;
      all.pods += round.pods;
      all.items += round.items;
      all.more = round.more;
    }
    return all;
  }

  Pruned PruneOld() { return PruneAll({kAge, kManyEvents}); }

  Pod Dead(Host& host, const std::string& name) {
    Pod pod = Register(host, name);
    Kill(pod);
    return pod;
  }
};

VIGIL_FOR_EVERY_STORE(RetentionTest);

TEST_P(RetentionTest, Prune_OfAnUnknownNamespaceIsNothing) {
  const Pruned pruned = Must(store().Prune("nowhere", {}, kBatch));
  EXPECT_EQ(pruned.events + pruned.pods + pruned.items, 0U);
  EXPECT_FALSE(pruned.more);
}

TEST_P(RetentionTest, Prune_WhatIsYoungStays) {
  Host host = AddHost();
  Dead(host, "cart");
  const Pruned pruned = PruneOld();
  EXPECT_EQ(pruned.events + pruned.pods + pruned.items, 0U);
  EXPECT_EQ(Start(), Position{});
  EXPECT_THAT(Retained(), SizeIs(2));
  EXPECT_EQ(Must(store().GetPod(kNs, "cart")).state, PodState::kDead);
}

// P8
TEST_P(RetentionTest, Prune_KeepsTheEventBeforeTheOldest) {
  Host host = AddHost();
  for (int i = 0; i < 10; ++i) Register(host, Numbered("old", i));
  const std::vector<Event> old = EventsAfter({});
  world().Age(hours(1));
  for (int i = 0; i < 3; ++i) Register(host, Numbered("young", i));

  EXPECT_EQ(PruneOld().events, 9U);

  EXPECT_EQ(Start(), old.back().position());
  EXPECT_THAT(Retained(), SizeIs(3));
}

// P8
TEST_P(RetentionTest, Prune_ACursorBeforeItHasExpired) {
  Host host = AddHost();
  for (int i = 0; i < 10; ++i) Register(host, Numbered("old", i));
  const std::vector<Event> old = EventsAfter({});
  world().Age(hours(1));
  Register(host, "young");
  // After each round, with rows before the oldest event there or not.
  for (bool more = true; more;) {
    more = Must(store().Prune(kNs, {kAge, kManyEvents}, 4)).more;
    const Position start = Start();
    EXPECT_TRUE(start.mark);
    EXPECT_TRUE(Must(store().ReadEvents(kNs, {}, 10)).expired);
    for (const Event& event : old) {
      const EventPage page = Must(store().ReadEvents(kNs, event.position(), 100));
      EXPECT_EQ(page.expired, event.seq < start.seq) << event.seq.value;
      EXPECT_EQ(page.events.size(), page.expired ? 0 : 11 - event.seq.value);
    }
  }
}

TEST_P(RetentionTest, Prune_ACursorAtItStillReads) {
  Host host = AddHost();
  for (int i = 0; i < 10; ++i) Register(host, Numbered("c", i));
  PruneAll({kAge, 4});
  const LogBounds bounds = Must(store().ReadBounds({kNs}))[0];
  EXPECT_EQ(bounds.start.seq, Seq{6});
  EXPECT_FALSE(Must(store().ReadEvents(kNs, bounds.start, 10)).expired);
  EXPECT_TRUE(Must(store().ReadEvents(kNs, {bounds.start.seq, {1}}, 10)).expired)
      << "of another event";
}

// Whatever number of events is to stay: those of one transaction stay or go together.
TEST_P(RetentionTest, Prune_OldestIsABeginningOfATransaction) {
  Host host = AddHost();
  std::vector<HostedPod> pods;
  for (int i = 0; i < 4; ++i) pods.push_back(HostedAs(Register(host, Numbered("c", i))));
  Must(store().SuspectHosted(kNs, Cause::kStreamEnded, {pods.begin(), pods.begin() + 3}));
  Must(store().DeclareHosted(kNs, Cause::kStreamEnded, pods));
  Register(host, "last");
  const std::vector<Event> log = EventsAfter({});
  for (uint64_t stay = log.size(); stay > 0; --stay) {
    SCOPED_TRACE(stay);
    PruneAll({kAge, stay}, 1);
    size_t first = log.size() - stay;
    while (first > 0 && log[first - 1].seq != log[first - 1].transaction_end) ++first;
    EXPECT_EQ(Retained(),
              std::vector<Event>(log.begin() + static_cast<std::ptrdiff_t>(first), log.end()));
  }
}

TEST_P(RetentionTest, Prune_OfAllEventsTheLogGoesOn) {  // P4
  Host host = AddHost();
  for (int i = 0; i < 5; ++i) Register(host, Numbered("c", i));
  const Position head = Must(store().ReadBounds({kNs}))[0].head;
  PruneAll({kAge, 0});
  EXPECT_EQ(Start(), head);
  EXPECT_THAT(Retained(), IsEmpty());
  const PodSnapshot snapshot = Must(store().Snapshot(kNs));
  EXPECT_EQ(snapshot.head, head);
  EXPECT_EQ(snapshot.oldest.value, head.seq.value + 1);

  const Pod next = Register(host, "next");

  const EventPage page = Must(store().ReadEvents(kNs, head, 10));
  ASSERT_THAT(page.events, SizeIs(1));
  EXPECT_EQ(page.events[0].seq.value, head.seq.value + 1);
  EXPECT_EQ(page.events[0].incarnation, next.incarnation);
}

// What was stamped by a wall clock that was ahead leaves late, and nothing behind it early.
TEST_P(RetentionTest, Prune_ByAgeInTheOrderOfTheLog) {
  Host host = AddHost();
  Register(host, "first");
  world().Age(hours(1));
  Register(host, "ahead");
  world().Age(-hours(2));
  world().Age(hours(1));
  // Of -1 h, then of +1 h, and now the clock is right.
  Register(host, "behind");
  world().Age(minutes(45));

  PruneOld();
  const std::vector<Event> left = Retained();
  ASSERT_THAT(left, SizeIs(2));
  EXPECT_EQ(left[0].pod_name, "ahead");

  world().Age(hours(1));
  PruneOld();
  EXPECT_THAT(Retained(), IsEmpty());
}

TEST_P(RetentionTest, Prune_AnOwnerIsKept) {
  Host host = AddHost();
  const Pod owner = Register(host, "owner");
  const Pod done = Register(host, "done");
  const Pod idle = Register(host, "idle");
  const Pod left = Register(host, "left");
  StartWork(owner, "orphan");
  Must(store().CompleteWork(HolderOf(StartWork(done, "completed")), ""));
  for (const Pod& pod : {owner, done, idle}) Kill(pod);
  Must(store().Leave(kNs, HostedAs(left)));
  world().Age(hours(1));
  const Pod survivor = Register(host, "survivor");

  EXPECT_EQ(Must(store().Prune(kNs, {kAge, kManyEvents}, kBatch)).pods, 2U);
  EXPECT_EQ(StateOf(done), PodState::kDead) << "not before the item that it completed";
  EXPECT_EQ(PruneOld().pods, 1U);

  EXPECT_EQ(StateOf(owner), PodState::kDead);
  EXPECT_EQ(ReasonOf(store().GetPod(kNs, "done")), reason::kPodNotFound);
  for (const Pod& gone : {idle, left}) {
    EXPECT_EQ(ReasonOf(store().GetPod(kNs, gone.name)), reason::kPodNotFound);
    EXPECT_EQ(ReasonOf(ResumeOne(store(), Returning(host, gone))), reason::kPodNotFound);
    EXPECT_EQ(ReasonOf(store().Leave(kNs, HostedAs(gone))), reason::kPodNotFound);
    EXPECT_EQ(ReasonOf(store().StartWork(NewItem("b", gone.incarnation))), reason::kPodNotFound);
    EXPECT_THAT(Must(store().DeclareHosted(kNs, Cause::kStreamEnded, {HostedAs(gone)})).events,
                IsEmpty());
    EXPECT_THAT(Must(store().Refute(kNs, {HostedAs(gone)})), IsEmpty());
  }

  const WorkItem orphan = Must(store().GetWork(kNs, "orphan"));
  EXPECT_EQ(orphan.owner_name, "owner");
  EXPECT_EQ(Must(Claim(survivor, orphan)).outcome, ClaimOutcome::kClaimed);
  EXPECT_EQ(PruneOld().pods, 1U);
  EXPECT_THAT(AllPods(), SizeIs(1));
}

TEST_P(RetentionTest, Prune_TheLivingAreKept) {
  Host host = AddHost();
  const Pod alive = Register(host, "alive");
  const Pod suspect = Register(host, "suspect");
  Must(store().SuspectHosted(kNs, Cause::kStreamEnded, {HostedAs(suspect)}));
  world().Age(hours(1));
  EXPECT_EQ(PruneOld().pods, 0U);
  EXPECT_EQ(StateOf(alive), PodState::kAlive);
  EXPECT_EQ(StateOf(suspect), PodState::kSuspect);
  EXPECT_EQ(Must(store().Refute(kNs, {HostedAs(suspect)})).size(), 1U);
}

TEST_P(RetentionTest, Prune_OfItemsTheCompletedAlone) {
  Host host = AddHost();
  const Pod pod = Register(host, "cart");
  StartWork(pod, "owned");
  Must(store().ReleaseWork(HolderOf(StartWork(pod, "released"))));
  Must(store().CompleteWork(HolderOf(StartWork(pod, "completed")), "result"));
  world().Age(hours(1));
  Must(store().CompleteWork(HolderOf(StartWork(pod, "young")), "result"));

  EXPECT_EQ(PruneOld().items, 1U);

  EXPECT_THAT(KeysOf(AllWork()), ElementsAre("owned", "released", "young"));
}

// P5: of a key, too, whose item was pruned.
TEST_P(RetentionTest, Prune_FencesStillGrow) {
  Host host = AddHost();
  const Pod pod = Register(host, "cart");
  WorkItem item = StartWork(pod, "report");
  for (int i = 0; i < 3; ++i) {
    Must(store().ReleaseWork(HolderOf(item)));
    item = Must(store().StartWork(NewItem("report", pod.incarnation))).item;
  }
  Must(store().CompleteWork(HolderOf(item), ""));
  Must(store().CompleteWork(HolderOf(StartWork(pod, "other")), ""));
  world().Age(hours(1));
  ASSERT_EQ(PruneOld().items, 2U);

  EXPECT_GT(StartWork(pod, "report").fence, item.fence);
  EXPECT_GT(StartWork(pod, "other").fence, Fence{1});
}

TEST_P(RetentionTest, Prune_InBatches) {
  constexpr uint64_t kPods = 40;
  constexpr uint32_t kSmall = 7;
  Host host = AddHost();
  const Pod worker = Register(host, "worker");
  for (uint64_t i = 0; i < kPods; ++i) {
    Dead(host, Numbered("c", static_cast<int>(i)));
    Must(store().CompleteWork(HolderOf(StartWork(worker, Numbered("w", static_cast<int>(i)))), ""));
  }
  world().Age(hours(1));
  Pruned all;
  int rounds = 0;
  for (bool more = true; more && !HasFailure(); ++rounds) {
    const Seq before = Start().seq;
    const Pruned round = Must(store().Prune(kNs, {kAge, kManyEvents}, kSmall));
    EXPECT_LE(round.events, kSmall);
    EXPECT_LE(round.pods, kSmall);
    EXPECT_LE(round.items, kSmall);
    EXPECT_LE(Start().seq.value, before.value + kSmall);
    all.events += round.events;
    all.pods += round.pods;
    all.items += round.items;
    more = round.more;
  }
  EXPECT_EQ(all.events, 1 + kPods * 3 - 1) << "all but the last";
  EXPECT_EQ(all.pods, kPods);
  EXPECT_EQ(all.items, kPods);
  EXPECT_GT(rounds, 10);
}

TEST_P(RetentionTest, PruneCoordinators_TheEndedThatHostNobody) {  // P7
  Host alive = AddHost();
  std::vector<Host> gone;
  for (int i = 0; i < 5; ++i) gone.push_back(AddHost());
  Host host = AddHost(minutes(7));
  const Pod pod = Register(host, "cart");
  for (const Host& each : gone) Must(store().RemoveCoordinator(each.number));
  Must(store().RemoveCoordinator(host.number));
  EXPECT_EQ(Must(store().PruneCoordinators(kAge, kBatch)), 0U);
  world().Age(hours(1));
  Host young = AddHost();
  Must(store().RemoveCoordinator(young.number));

  EXPECT_EQ(Must(store().PruneCoordinators(kAge, 3)), 3U);
  EXPECT_EQ(Must(store().PruneCoordinators(kAge, 3)), 2U);
  EXPECT_EQ(Must(store().PruneCoordinators(kAge, 3)), 0U);

  EXPECT_THAT(TakenFrom(alive), IsEmpty());
  ReleaseSession(host, pod.session);
  const ProbeReport report = Must(store().Probe(alive.observer(), kDue));
  ASSERT_THAT(report.free_pods, SizeIs(1));
  EXPECT_EQ(report.free_pods[0].host_trust_window, minutes(7)) << "its grace needs it";

  Must(ResumeOne(store(), Returning(alive, pod)));
  EXPECT_EQ(Must(store().PruneCoordinators(kAge, 3)), 1U);
}

TEST_P(RetentionTest, ListNamespaces_InPages) {
  Host host = AddHost();
  EXPECT_THAT(Must(store().ListNamespaces("", 10)), IsEmpty());
  std::set<std::string> made;
  for (int i = 0; i < 5; ++i) {
    made.insert(Numbered("ns-", i));
    Register(host, "cart", Numbered("ns-", i));
  }
  std::vector<std::string> listed;
  while (true) {
    const auto page = Must(store().ListNamespaces(listed.empty() ? "" : listed.back(), 2));
    EXPECT_LE(page.size(), 2U);
    if (page.empty()) break;
    listed.insert(listed.end(), page.begin(), page.end());
  }
  EXPECT_THAT(listed, SizeIs(made.size()));
  EXPECT_EQ(std::set<std::string>(listed.begin(), listed.end()), made);
}

// Nobody who follows the log misses anything, unless he is told that his cursor has expired.
TEST_P(RetentionTest, Prune_WhileWritersWrite) {  // P4, P8
  constexpr int kWriters = 4;
  constexpr int kRounds = 40;
  constexpr uint64_t kStay = 25;
  Host host = AddHost();
  std::vector<Pod> pods;
  for (int i = 0; i < kWriters; ++i) pods.push_back(Register(host, Numbered("c", i)));
  const Position begin = Must(store().ReadBounds({kNs}))[0].head;
  std::atomic<int> writing = kWriters;
  std::vector<Event> heard;
  int expired = 0;

  Together(kWriters + 2, [&](int thread, Store& store) {
    if (thread < kWriters) {
      const Pod& pod = pods[thread];
      for (int round = 0; round < kRounds; ++round) {
        const auto item = Must(store.StartWork(NewItem(pod.name, pod.incarnation))).item;
        Must(store.ReleaseWork(HolderOf(item)));
        Must(store.SuspectHosted(kNs, Cause::kStreamEnded, {HostedAs(pod)}));
        Must(store.Refute(kNs, {HostedAs(pod)}));
      }
      --writing;
    } else if (thread == kWriters) {
      while (writing > 0) Must(store.Prune(kNs, {kAge, kStay}, 10));
    } else {
      Position after = begin;
      while (true) {
        const bool last = writing == 0;
        const EventPage page = Must(store.ReadEvents(kNs, after, 10));
        if (page.expired) {
          ++expired;
          after = Must(store.ReadBounds({kNs}))[0].start;
          continue;
        }
        if (page.events.empty() && last) break;
        if (page.events.empty()) continue;
        EXPECT_EQ(page.events.front().seq.value, after.seq.value + 1);
        heard.insert(heard.end(), page.events.begin(), page.events.end());
        after = heard.back().position();
      }
    }
  });

  const Seq head = Head();
  // The first start of an item writes none.
  EXPECT_EQ(head.value, begin.seq.value + kWriters * (kRounds * 4 - 1));
  ASSERT_FALSE(heard.empty());
  EXPECT_EQ(heard.back().seq, head);
  size_t gaps = 0;
  for (size_t i = 1; i < heard.size(); ++i) {
    if (heard[i].seq.value != heard[i - 1].seq.value + 1) ++gaps;
  }
  EXPECT_LE(gaps, static_cast<size_t>(expired));
  PruneAll({kAge, kStay});
  EXPECT_THAT(Retained(), SizeIs(kStay));
}

TEST_P(RetentionTest, Prune_SeveralAtOnce) {
  constexpr int kPods = 120;
  Host host = AddHost();
  const Pod worker = Register(host, "worker");
  for (int i = 0; i < kPods; ++i) {
    Dead(host, Numbered("c", i));
    Must(store().CompleteWork(HolderOf(StartWork(worker, Numbered("w", i))), ""));
  }
  const Pod orphaned = Register(host, "orphaned");
  for (int i = 0; i < kPods; ++i) StartWork(orphaned, Numbered("o", i));
  Kill(orphaned);
  world().Age(hours(1));
  const Seq head = Head();
  std::atomic<uint64_t> events = 0;
  std::atomic<uint64_t> gone = 0;

  Together(4, [&](int thread, Store& store) {
    if (thread == 3) {
      while (!Must(store.ClaimOrphans(AnyOrphans(worker.incarnation, 5))).empty()) {
      }
      return;
    }
    // One that finds another's rows locked leaves them for later.
    while (gone < kPods * 2 || events + 1 < head.value) {
      const Pruned round = Must(store.Prune(kNs, {kAge, kManyEvents}, 10));
      events += round.events;
      gone += round.pods + round.items;
      if (HasFailure()) return;
    }
  });

  // But not the owner of the orphans, unless all were claimed before its turn came.
  EXPECT_GE(gone, static_cast<uint64_t>(kPods) * 2);
  EXPECT_LE(gone, static_cast<uint64_t>(kPods) * 2 + 1);
  EXPECT_THAT(Retained(), SizeIs(kPods)) << "the claims";
  EXPECT_THAT(AllWork(), SizeIs(kPods));
}

}  // namespace
}  // namespace vigil
