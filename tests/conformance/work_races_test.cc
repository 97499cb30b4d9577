// What must hold of work when several change it at once. Every thread has a store of its own.
#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <map>
#include <set>

#include "conformance/store_test.h"

namespace vigil {
namespace {

using ::testing::SizeIs;

class WorkRacesTest : public StoreTest {
 protected:
  // How many items each death left behind, as its event says.
  std::map<Incarnation, uint32_t> LeftBehind(Seq after) {
    std::map<Incarnation, uint32_t> left;
    for (const Event& event : EventsAfter(after)) {
      if (event.kind == EventKind::kPodDied) left[event.incarnation] = event.orphans;
    }
    return left;
  }

  size_t CountOf(EventKind kind, Seq after) {
    return static_cast<size_t>(std::ranges::count(KindsAfter(after), kind));
  }
};

VIGIL_FOR_EVERY_STORE(WorkRacesTest);

TEST_P(WorkRacesTest, Transfer_ToOneWhoDies) {  // P3, P6
  constexpr int kRounds = 30;
  Host host = AddHost();
  Pod giver = Register(host, "giver");
  std::vector<Pod> takers;
  std::vector<WorkItem> items;
  for (int i = 0; i < kRounds; ++i) {
    takers.push_back(Register(host, Numbered("taker-", i)));
    items.push_back(StartWork(giver, Numbered("item-", i)));
  }
  const Seq begin = Head();
  std::vector<std::string> outcomes(kRounds);

  Together(2, [&](int thread, Store& store) {
    for (int i = 0; i < kRounds; ++i) {
      if (thread == 0) {
        Must(store.DeclareHosted(kNs, Cause::kStreamEnded, {HostedAs(takers[i])}));
      } else {
        outcomes[i] = ReasonOf(store.TransferWork(HolderOf(items[i]), takers[i].name));
      }
    }
  });

  auto left = LeftBehind(begin);
  for (int i = 0; i < kRounds; ++i) {
    const WorkItem item = Item(items[i].key);
    NoteTransfer(items[i], item);
    const bool given = outcomes[i] == "OK";
    // Either it was given first, and the death left it behind, or the giver kept it.
    EXPECT_TRUE(given || outcomes[i] == reason::kPodNotFound) << outcomes[i];
    EXPECT_EQ(item.owner, given ? takers[i].incarnation : giver.incarnation);
    EXPECT_EQ(item.orphan, given);
    EXPECT_EQ(left.at(takers[i].incarnation), given ? 1U : 0U);
  }
}

TEST_P(WorkRacesTest, Transfer_ByOneWhoDies) {  // P5, P6
  constexpr int kRounds = 30;
  Host host = AddHost();
  Pod taker = Register(host, "taker");
  std::vector<Pod> givers;
  std::vector<WorkItem> items;
  for (int i = 0; i < kRounds; ++i) {
    givers.push_back(Register(host, Numbered("giver-", i)));
    items.push_back(StartWork(givers[i], Numbered("item-", i)));
  }
  const Seq begin = Head();
  std::vector<std::string> outcomes(kRounds);

  Together(2, [&](int thread, Store& store) {
    for (int i = 0; i < kRounds; ++i) {
      if (thread == 0) {
        Must(store.DeclareHosted(kNs, Cause::kStreamEnded, {HostedAs(givers[i])}));
      } else {
        outcomes[i] = ReasonOf(store.TransferWork(HolderOf(items[i]), "taker"));
      }
    }
  });

  auto left = LeftBehind(begin);
  for (int i = 0; i < kRounds; ++i) {
    const WorkItem item = Item(items[i].key);
    NoteTransfer(items[i], item);
    const bool given = outcomes[i] == "OK";
    EXPECT_TRUE(given || outcomes[i] == reason::kIncarnationEnded) << outcomes[i];
    EXPECT_EQ(item.owner, given ? taker.incarnation : givers[i].incarnation);
    EXPECT_EQ(left.at(givers[i].incarnation), given ? 0U : 1U);
  }
}

TEST_P(WorkRacesTest, Assign_AndClaimsGiveEachItemOneOwner) {  // P5
  constexpr int kItems = 60;
  constexpr int kClaimants = 3;
  Host host = AddHost();
  Pod owner = Register(host, "owner");
  std::vector<WorkItem> items;
  for (int i = 0; i < kItems; ++i) {
    items.push_back(StartWork(owner, Numbered("item-", i), Assigned()));
  }
  std::vector<Pod> claimants;
  for (int i = 0; i < kClaimants; ++i) claimants.push_back(Register(host, Numbered("c", i)));
  Kill(owner);
  const Seq begin = Head();
  std::array<std::atomic<int>, kItems> winners{};

  Together(kClaimants + 2, [&](int thread, Store& store) {
    if (thread >= kClaimants) {
      while (Must(store.AssignWork(kNs, 4)).more) {
      }
      return;
    }
    for (int i = 0; i < kItems; ++i) {
      // From either end, so that they meet those that assign.
      const int at = thread % 2 == 0 ? i : kItems - 1 - i;
      const auto claimed = Must(store.ClaimWork({.ns = kNs,
                                                 .key = items[at].key,
                                                 .claimant = claimants[thread].incarnation,
                                                 .expected_owner = owner.incarnation,
                                                 .expected_fence = Fence{1}}));
      const bool won = claimed.outcome == ClaimOutcome::kClaimed;
      EXPECT_EQ(won, claimed.item.owner == claimants[thread].incarnation);
      if (won) ++winners[at];
    }
  });

  for (const auto& won : winners) EXPECT_LE(won, 1);
  for (const WorkItem& item : AllWork()) {
    EXPECT_EQ(item.fence, Fence{2}) << item.key;
    EXPECT_NE(item.owner, owner.incarnation);
  }
  EXPECT_EQ(CountOf(EventKind::kWorkClaimed, begin), static_cast<size_t>(kItems));
}

TEST_P(WorkRacesTest, Assign_ToThoseWhoDie) {  // P3, P5, P6
  constexpr int kPods = 15;
  constexpr int kItems = 30;
  Host host = AddHost();
  std::vector<Pod> pods;
  for (int i = 0; i <= kPods; ++i) pods.push_back(Register(host, Numbered("c", i)));
  WorkTraits traits = Assigned();
  traits.max_adoptions = 1000;
  for (int i = 0; i < kItems; ++i) StartWork(pods[0], Numbered("item-", i), traits);
  const Seq begin = Head();
  std::atomic<bool> over = false;

  Together(3, [&](int thread, Store& store) {
    if (thread > 0) {
      while (!over) Must(store.AssignWork(kNs, 3));
      return;
    }
    for (int i = 0; i < kPods; ++i) {
      Must(store.DeclareHosted(kNs, Cause::kStreamEnded, {HostedAs(pods[i])}));
    }
    over = true;
  });
  while (Must(store().AssignWork(kNs, 3)).more) {
  }

  for (const WorkItem& item : AllWork()) EXPECT_EQ(item.owner, pods.back().incarnation);
  // Each death left behind what the log says that its pod had.
  std::map<Incarnation, std::set<std::string>> held;
  for (int i = 0; i < kItems; ++i) held[pods[0].incarnation].insert(Numbered("item-", i));
  for (const Event& event : EventsAfter(begin)) {
    if (event.kind == EventKind::kPodDied) {
      EXPECT_EQ(event.orphans, held[event.incarnation].size());
    } else {
      EXPECT_EQ(held[event.previous_owner].erase(event.work_key), 1U);
      held[event.incarnation].insert(event.work_key);
    }
  }
}

TEST_P(WorkRacesTest, Claims_OfWhatKilledTooManyQuarantineItOnce) {  // P5
  constexpr int kItems = 20;
  constexpr int kClaimants = 4;
  Host host = AddHost();
  Pod first = Register(host, "first");
  for (int i = 0; i < kItems; ++i) StartWork(first, Numbered("item-", i), Competing(1));
  Kill(first);
  Pod second = Register(host, "second");
  ASSERT_THAT(Must(store().ClaimOrphans(AnyOrphans(second.incarnation, 100))), SizeIs(kItems));
  Kill(second);
  std::vector<Pod> claimants;
  for (int i = 0; i < kClaimants; ++i) claimants.push_back(Register(host, Numbered("c", i)));
  const Seq begin = Head();

  Together(kClaimants, [&](int thread, Store& store) {
    const Incarnation claimant = claimants[thread].incarnation;
    if (thread == 0) {
      for (int i = 0; i < kItems; ++i) {
        EXPECT_THAT(Must(store.ClaimOrphans(AnyOrphans(claimant, 3))), SizeIs(0));
      }
      return;
    }
    for (int i = 0; i < kItems; ++i) {
      const auto claimed = Must(store.ClaimWork({.ns = kNs,
                                                 .key = Numbered("item-", i),
                                                 .claimant = claimant,
                                                 .expected_owner = second.incarnation,
                                                 .expected_fence = Fence{2}}));
      EXPECT_EQ(claimed.outcome, ClaimOutcome::kQuarantined);
    }
  });

  EXPECT_EQ(CountOf(EventKind::kWorkQuarantined, begin), static_cast<size_t>(kItems));
  for (const WorkItem& item : AllWork()) {
    EXPECT_EQ(item.state, WorkState::kQuarantined);
    EXPECT_THAT(item.former_owners, SizeIs(2));
  }
}

TEST_P(WorkRacesTest, Checkpoint_RepeatedAtOnceIsOneChange) {
  constexpr int kRounds = 30;
  Host host = AddHost();
  WorkItem item = StartWork(Register(host, "cart"), "a");
  std::array<std::vector<std::string>, 2> answers;
  std::barrier round(2);

  Together(2, [&](int thread, Store& store) {
    for (int i = 0; i < kRounds; ++i) {
      round.arrive_and_wait();
      // Only here do two attempts say different things, so that one sees which of them it was.
      const auto checkpoint = Numbered(thread == 0 ? "one " : "other ", i);
      const auto done =
          store.CheckpointWork(HolderOf(item), checkpoint, static_cast<uint64_t>(i) + 1);
      answers[thread].push_back(Must(done).checkpoint);
    }
  });

  EXPECT_EQ(answers[0], answers[1]);
  EXPECT_EQ(Item("a").checkpoint, answers[0].back());
}

}  // namespace
}  // namespace vigil
