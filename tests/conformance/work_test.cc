// Work items: who owns them, and how they change hands.
#include "conformance/store_test.h"
#include "core/validate.h"

namespace vigil {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST_P(StoreTest, Start_MakesAnItemOfTheCaller) {
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  const std::string payload("with \0 and \xff", 12);

  auto started = Must(store().StartWork(NewItem("a", pod.incarnation, payload)));

  EXPECT_EQ(started.outcome, StartOutcome::kStarted);
  EXPECT_EQ(started.item.ns, kNs);
  EXPECT_EQ(started.item.key, "a");
  EXPECT_EQ(started.item.state, WorkState::kOwned);
  EXPECT_EQ(started.item.owner, pod.incarnation);
  EXPECT_EQ(started.item.owner_name, "cart");
  EXPECT_FALSE(started.item.orphan);
  EXPECT_EQ(started.item.fence, Fence{1});
  EXPECT_EQ(started.item.payload, payload);
  EXPECT_EQ(started.item.checkpoint, "");
  EXPECT_EQ(started.item.result, "");
  EXPECT_TRUE(started.item.started_at);
  EXPECT_EQ(Must(store().GetWork(kNs, "a")).payload, payload);
  EXPECT_EQ(ReasonOf(store().GetWork("other", "a")), reason::kWorkNotFound);
}

TEST_P(StoreTest, Start_RepeatedByTheOwnerIsStarted) {
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  StartWork(pod, "a");
  Must(store().CheckpointWork({kNs, "a", pod.incarnation, Fence{1}}, "half", {}));

  auto again = Must(store().StartWork(NewItem("a", pod.incarnation, "another payload")));

  EXPECT_EQ(again.outcome, StartOutcome::kStarted);
  EXPECT_EQ(again.item.fence, Fence{1});
  EXPECT_EQ(again.item.payload, "payload of a");
  EXPECT_EQ(again.item.checkpoint, "half");
}

TEST_P(StoreTest, Start_LeavesWhatOthersHave) {
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  Pod other = Register(host, "till");
  StartWork(owner, "owned");
  StartWork(owner, "done");
  Must(store().CompleteWork({kNs, "done", owner.incarnation, Fence{1}}, "result"));
  auto start = [&](const std::string& key) {
    return Must(store().StartWork(NewItem(key, other.incarnation, "mine")));
  };

  EXPECT_EQ(start("owned").outcome, StartOutcome::kOwned);
  EXPECT_EQ(start("owned").item.owner, owner.incarnation);
  EXPECT_EQ(start("done").outcome, StartOutcome::kCompleted);
  EXPECT_EQ(start("done").item.result, "result");
  Kill(owner);
  EXPECT_EQ(start("owned").outcome, StartOutcome::kOrphaned);
  EXPECT_EQ(start("owned").item.owner, owner.incarnation);
  EXPECT_TRUE(start("owned").item.orphan);
  EXPECT_EQ(start("done").outcome, StartOutcome::kCompleted);
}

TEST_P(StoreTest, Start_TakesTheReleased) {  // P5
  Host host = AddHost();
  Pod first = Register(host, "cart");
  Pod second = Register(host, "till");
  Must(store().ReleaseWork(HolderOf(StartWork(first, "a"))));
  Seq head = Head();

  auto started = Must(store().StartWork(NewItem("a", second.incarnation)));

  EXPECT_EQ(started.outcome, StartOutcome::kStarted);
  EXPECT_EQ(started.item.owner, second.incarnation);
  EXPECT_EQ(started.item.fence, Fence{2});
  EXPECT_THAT(KindsAfter(head), ElementsAre(EventKind::kWorkClaimed));
}

TEST_P(StoreTest, Work_TheCallerMustLive) {  // P6
  Host host = AddHost();
  Pod dead = Register(host, "dead");
  Pod left = Register(host, "left");
  WorkItem item = StartWork(dead, "a");
  Kill(dead);
  Must(store().Leave(kNs, HostedAs(left)));

  for (const Pod& ended : {dead, left}) {
    WorkHolder holder{kNs, "a", ended.incarnation, Fence{1}};
    EXPECT_EQ(ReasonOf(store().StartWork(NewItem("new", ended.incarnation))),
              reason::kIncarnationEnded);
    EXPECT_EQ(ReasonOf(store().CheckpointWork(holder, "", {})), reason::kIncarnationEnded);
    EXPECT_EQ(ReasonOf(store().CompleteWork(holder, "")), reason::kIncarnationEnded);
    EXPECT_EQ(ReasonOf(store().ReleaseWork(holder)), reason::kIncarnationEnded);
    EXPECT_EQ(ReasonOf(Claim(ended, item)), reason::kIncarnationEnded);
    EXPECT_EQ(ReasonOf(store().ClaimOrphans(AnyOrphans(ended.incarnation, 10))),
              reason::kIncarnationEnded);
  }
  EXPECT_EQ(ReasonOf(store().GetWork(kNs, "new")), reason::kWorkNotFound);
  EXPECT_EQ(Must(store().GetWork(kNs, "a")).fence, Fence{1});
}

TEST_P(StoreTest, Work_TheDeadAreToldWhoTookOver) {  // P5, P6
  Host host = AddHost();
  Pod dead = Register(host, "dead");
  Pod survivor = Register(host, "survivor");
  WorkItem item = StartWork(dead, "a");
  Kill(dead);
  WorkItem taken = Must(Claim(survivor, item)).item;

  WorkHolder late{kNs, "a", dead.incarnation, item.fence};
  EXPECT_EQ(ReasonOf(store().CheckpointWork(late, "late", {})), reason::kFenced);
  EXPECT_EQ(ReasonOf(store().CompleteWork(late, "late")), reason::kFenced);
  EXPECT_EQ(ReasonOf(store().ReleaseWork(late)), reason::kFenced);
  // Not even with the fence of the survivor.
  WorkHolder forged{kNs, "a", dead.incarnation, taken.fence};
  EXPECT_EQ(ReasonOf(store().CheckpointWork(forged, "late", {})), reason::kIncarnationEnded);
  EXPECT_EQ(Must(store().GetWork(kNs, "a")).owner, survivor.incarnation);
  EXPECT_EQ(Must(store().GetWork(kNs, "a")).checkpoint, "");
}

TEST_P(StoreTest, Work_TheCallerMustExist) {
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  Pod elsewhere = Register(host, "cart", "other");
  WorkItem item = StartWork(pod, "a");

  Pod unknown = pod;
  unknown.incarnation = Incarnation{999'999'999};
  for (const Pod& stranger : {unknown, elsewhere}) {
    WorkHolder holder{kNs, "a", stranger.incarnation, Fence{1}};
    EXPECT_EQ(ReasonOf(store().StartWork(NewItem("b", stranger.incarnation))),
              reason::kPodNotFound);
    EXPECT_EQ(ReasonOf(store().CheckpointWork(holder, "", {})), reason::kPodNotFound);
    EXPECT_EQ(ReasonOf(store().CompleteWork(holder, "")), reason::kPodNotFound);
    EXPECT_EQ(ReasonOf(store().ReleaseWork(holder)), reason::kPodNotFound);
    EXPECT_EQ(ReasonOf(Claim(stranger, item)), reason::kPodNotFound);
    EXPECT_EQ(ReasonOf(store().ClaimOrphans(AnyOrphans(stranger.incarnation, 10))),
              reason::kPodNotFound);
  }
}

TEST_P(StoreTest, Work_ASuspectStillWorks) {
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  WorkItem item = StartWork(pod, "a");
  Must(store().SuspectHosted(kNs, Cause::kStreamEnded, {HostedAs(pod)}));

  EXPECT_EQ(Must(store().CheckpointWork(HolderOf(item), "half", {})).checkpoint, "half");
  EXPECT_FALSE(Must(store().GetWork(kNs, "a")).orphan);
}

TEST_P(StoreTest, Checkpoint_TheLastOneWins) {
  Host host = AddHost();
  WorkItem item = StartWork(Register(host, "cart"), "a");
  Must(store().CheckpointWork(HolderOf(item), "one", {}));
  Must(store().CheckpointWork(HolderOf(item), "two", {}));
  Must(store().CheckpointWork(HolderOf(item), "two", {}));

  WorkItem found = Must(store().GetWork(kNs, "a"));
  EXPECT_EQ(found.checkpoint, "two");
  EXPECT_EQ(found.fence, Fence{1});
  EXPECT_EQ(Head(), Seq{1}) << "a checkpoint is no event";
}

TEST_P(StoreTest, Checkpoint_StaleFenceRefused) {  // P5
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  WorkItem first = StartWork(pod, "a");
  Must(store().ReleaseWork(HolderOf(first)));
  WorkItem second = Must(store().StartWork(NewItem("a", pod.incarnation))).item;

  // The owner is the same; only the fence tells the two apart.
  auto stale = store().CheckpointWork(HolderOf(first), "stale", {});
  EXPECT_EQ(ReasonOf(stale), reason::kFenced);
  EXPECT_EQ(MetadataOf(stale), Fenced("a", pod.incarnation, second.fence).metadata);
  EXPECT_EQ(ReasonOf(store().CompleteWork(HolderOf(first), "stale")), reason::kFenced);
  EXPECT_EQ(ReasonOf(store().ReleaseWork(HolderOf(first))), reason::kFenced);
  WorkHolder ahead = HolderOf(second);
  ++ahead.fence.value;
  EXPECT_EQ(ReasonOf(store().CheckpointWork(ahead, "ahead", {})), reason::kFenced);
  EXPECT_EQ(Must(store().GetWork(kNs, "a")).checkpoint, "");
}

TEST_P(StoreTest, Checkpoint_OnlyByTheOwner) {  // P5
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  Pod other = Register(host, "till");
  WorkItem item = StartWork(owner, "a");
  WorkHolder stranger{kNs, "a", other.incarnation, item.fence};

  auto refused = store().CheckpointWork(stranger, "", {});
  EXPECT_EQ(ReasonOf(refused), reason::kFenced);
  EXPECT_EQ(MetadataOf(refused), Fenced("a", owner.incarnation, item.fence).metadata);
  EXPECT_EQ(ReasonOf(store().CompleteWork(stranger, "")), reason::kFenced);
  EXPECT_EQ(ReasonOf(store().ReleaseWork(stranger)), reason::kFenced);
  WorkHolder nothing{kNs, "no such", owner.incarnation, item.fence};
  EXPECT_EQ(ReasonOf(store().CheckpointWork(nothing, "", {})), reason::kWorkNotFound);
  EXPECT_EQ(ReasonOf(store().CompleteWork(nothing, "")), reason::kWorkNotFound);
  EXPECT_EQ(ReasonOf(store().ReleaseWork(nothing)), reason::kWorkNotFound);
}

TEST_P(StoreTest, Complete_IsFinal) {
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  WorkItem item = StartWork(pod, "a");
  Seq head = Head();

  WorkItem done = Must(store().CompleteWork(HolderOf(item), "first"));
  EXPECT_EQ(done.state, WorkState::kCompleted);
  EXPECT_EQ(done.result, "first");
  EXPECT_EQ(Must(store().CompleteWork(HolderOf(item), "second")).result, "first")
      << "a repetition leaves the first result";

  auto events = EventsAfter(head);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, EventKind::kWorkCompleted);
  EXPECT_EQ(events[0].work_key, "a");
  EXPECT_EQ(events[0].fence, item.fence);
  EXPECT_EQ(events[0].incarnation, pod.incarnation);
  EXPECT_EQ(events[0].pod_name, "cart");
  EXPECT_EQ(ReasonOf(store().CheckpointWork(HolderOf(item), "", {})), reason::kWorkCompleted);
  EXPECT_EQ(ReasonOf(store().ReleaseWork(HolderOf(item))), reason::kWorkCompleted);
  Kill(pod);
  Pod other = Register(host, "till");
  EXPECT_EQ(ReasonOf(Claim(other, item)), reason::kWorkCompleted);
  EXPECT_THAT(Must(store().ClaimOrphans(AnyOrphans(other.incarnation, 10))), IsEmpty());
}

TEST_P(StoreTest, Release_HasNoOwner) {
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  WorkItem item = StartWork(pod, "a");
  Seq head = Head();

  WorkItem released = Must(store().ReleaseWork(HolderOf(item)));

  EXPECT_EQ(released.state, WorkState::kReleased);
  EXPECT_FALSE(released.owner);
  EXPECT_EQ(released.owner_name, "");
  EXPECT_FALSE(released.orphan);
  EXPECT_EQ(released.fence, item.fence) << "it grows when somebody takes the item";
  auto events = EventsAfter(head);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, EventKind::kWorkReleased);
  EXPECT_EQ(events[0].work_key, "a");
  EXPECT_EQ(events[0].fence, item.fence);
  EXPECT_EQ(events[0].incarnation, pod.incarnation);
  EXPECT_EQ(ReasonOf(store().CheckpointWork(HolderOf(item), "", {})), reason::kFenced);
}

TEST_P(StoreTest, Release_RepeatedChangesNothing) {
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  Pod other = Register(host, "till");
  WorkItem item = StartWork(pod, "a");
  WorkItem released = Must(store().ReleaseWork(HolderOf(item)));
  Seq head = Head();

  EXPECT_EQ(Must(store().ReleaseWork(HolderOf(item))).state, WorkState::kReleased);
  EXPECT_EQ(Head(), head);

  EXPECT_EQ(Must(Claim(other, released)).outcome, ClaimOutcome::kClaimed);
  EXPECT_EQ(ReasonOf(store().ReleaseWork(HolderOf(item))), reason::kFenced);
}

TEST_P(StoreTest, ListWork_PagesByKey) {
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  // Byte by byte, whatever the database's collation says.
  const std::vector<std::string> keys{"A", "B", "Z-1", "Z1", "a", "a b", "a-b", "b", "\xc3\xa4"};
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) StartWork(pod, *key);
  StartWork(Register(host, "cart", "other"), "elsewhere");

  for (uint32_t limit : {1U, 2U, 3U, 4U, 9U, 100U}) {
    std::vector<std::string> found;
    WorkPage page{.more = true};
    while (page.more) {
      page = Must(store().ListWork(kNs, {}, found.empty() ? "" : found.back(), limit));
      ASSERT_LE(page.items.size(), limit);
      ASSERT_FALSE(page.items.empty()) << "a page that says more has more";
      for (const WorkItem& item : page.items) found.push_back(item.key);
    }
    EXPECT_EQ(found, keys) << "with the limit " << limit;
  }
  EXPECT_THAT(Must(store().ListWork("nowhere", {}, "", 10)).items, IsEmpty());
}

TEST_P(StoreTest, ListWork_PagesAreBoundedByBytes) {  // P11
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  const std::string half(kLargestAnswer / 2, 'x');
  auto start = [&](const char* key, const std::string& payload) {
    return Must(store().StartWork(NewItem(key, pod.incarnation, payload))).item;
  };
  start("a", half);
  Must(store().CompleteWork(HolderOf(start("b", "")), half));  // exactly full
  Must(store().CheckpointWork(HolderOf(start("c", "")), "z", {}));
  start("d", half + half + "z");  // too large by itself
  start("e", "");
  auto page_after = [&](const char* key, uint32_t limit) {
    WorkPage page = Must(store().ListWork(kNs, {.include_completed = true}, key, limit));
    return std::pair(KeysOf(page.items), page.more);
  };

  EXPECT_THAT(page_after("", 100), Pair(ElementsAre("a", "b"), true));
  EXPECT_THAT(page_after("", 1), Pair(ElementsAre("a"), true));
  EXPECT_THAT(page_after("b", 100), Pair(ElementsAre("c"), true));
  EXPECT_THAT(page_after("c", 100), Pair(ElementsAre("d"), true)) << "at least one";
  EXPECT_THAT(page_after("d", 100), Pair(ElementsAre("e"), false));
  EXPECT_THAT(KeysOf(AllWork()), ElementsAre("a", "b", "c", "d", "e"));
}

TEST_P(StoreTest, ListWork_Filters) {
  Host host = AddHost();
  Pod dead = Register(host, "cart");
  Pod living = Register(host, "till");
  StartWork(dead, "orphan");
  StartWork(living, "owned");
  Must(store().ReleaseWork(HolderOf(StartWork(living, "released"))));
  Must(store().CompleteWork(HolderOf(StartWork(dead, "done")), ""));
  Kill(dead);
  auto list = [&](const WorkFilter& filter) {
    return KeysOf(Must(store().ListWork(kNs, filter, "", 100)).items);
  };

  EXPECT_THAT(list({}), ElementsAre("orphan", "owned", "released"));
  EXPECT_THAT(list({.include_completed = true}),
              ElementsAre("done", "orphan", "owned", "released"));
  EXPECT_THAT(list({.claimable_only = true}), ElementsAre("orphan", "released"));
  EXPECT_THAT(list({.owner = living.incarnation}), ElementsAre("owned"));
  EXPECT_THAT(list({.owner = dead.incarnation}), ElementsAre("orphan"));
  EXPECT_THAT(list({.owner = dead.incarnation, .include_completed = true}),
              ElementsAre("done", "orphan"));
  EXPECT_THAT(list({.owner = dead.incarnation, .claimable_only = true}), ElementsAre("orphan"));
  EXPECT_THAT(list({.owner = living.incarnation, .claimable_only = true}), IsEmpty());
}

}  // namespace
}  // namespace vigil
