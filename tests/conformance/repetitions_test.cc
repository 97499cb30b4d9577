// Requests that come again, at once or late: they undo nothing and claim nothing.
#include "conformance/store_test.h"
#include "core/validate.h"

namespace vigil {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class RepetitionsTest : public StoreTest {
 protected:
  StartedWork Start(const Pod& pod, const std::string& key, const std::string& request_id) {
    NewWork work = NewItem(key, pod.incarnation);
    work.request_id = request_id;
    return Must(store().StartWork(work));
  }

  std::vector<WorkItem> ClaimOrphans(const Pod& pod, const std::string& request_id,
                                     uint32_t limit = 10) {
    OrphansClaim claim = AnyOrphans(pod.incarnation, limit);
    claim.request_id = request_id;
    return Must(store().ClaimOrphans(claim));
  }
};

VIGIL_FOR_EVERY_STORE(RepetitionsTest);

TEST_P(RepetitionsTest, Start_ItsRepetitionReturnsTheItem) {
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  const WorkItem item = Start(pod, "a", "r1").item;
  Must(store().CheckpointWork(HolderOf(item), "half", {}));

  const StartedWork again = Start(pod, "a", "r1");

  EXPECT_EQ(again.outcome, StartOutcome::kStarted);
  EXPECT_EQ(again.item.fence, item.fence);
  EXPECT_EQ(again.item.checkpoint, "half");
}

TEST_P(RepetitionsTest, Start_ALateRepetitionTakesNothingBack) {  // P5
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  Pod other = Register(host, "till");
  Must(store().ReleaseWork(HolderOf(Start(pod, "a", "r1").item)));
  const Seq head = Head();

  const StartedWork released = Start(pod, "a", "r1");
  EXPECT_EQ(released.outcome, StartOutcome::kReleased);
  EXPECT_EQ(released.item.state, WorkState::kReleased);
  EXPECT_FALSE(released.item.owner);
  EXPECT_EQ(Head(), head);

  // Nor the one that took a released item.
  const WorkItem taken = Start(other, "a", "r2").item;
  EXPECT_EQ(taken.fence, Fence{2});
  EXPECT_EQ(Start(pod, "a", "r1").outcome, StartOutcome::kOwned);
  Must(store().ReleaseWork(HolderOf(taken)));
  EXPECT_EQ(Start(other, "a", "r2").outcome, StartOutcome::kReleased);
  EXPECT_EQ(Start(pod, "a", "r1").outcome, StartOutcome::kReleased);
  EXPECT_EQ(Item("a").fence, Fence{2});
  // It is another request that takes it.
  EXPECT_EQ(Start(pod, "a", "r3").outcome, StartOutcome::kStarted);
  Must(store().CompleteWork(HolderOf(Item("a")), "done"));
  EXPECT_EQ(Start(pod, "a", "r3").outcome, StartOutcome::kCompleted);
}

TEST_P(RepetitionsTest, Start_ALateOneOfAnOwnerTakesNothingBack) {  // P5
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  const WorkItem item = Start(pod, "a", "r1").item;
  EXPECT_EQ(Start(pod, "a", "r2").outcome, StartOutcome::kStarted) << "it has it already";
  Must(store().ReleaseWork(HolderOf(item)));

  EXPECT_EQ(Start(pod, "a", "r2").outcome, StartOutcome::kReleased);
}

TEST_P(RepetitionsTest, Start_WithoutAnIdIsNeverARepetition) {
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  Must(store().ReleaseWork(HolderOf(Start(pod, "a", "").item)));

  EXPECT_EQ(Start(pod, "a", "").item.fence, Fence{2});
}

TEST_P(RepetitionsTest, Start_TheSameIdForAnotherItemIsNoRepetition) {
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  Start(pod, "a", "r1");
  Must(store().ReleaseWork(HolderOf(Start(pod, "b", "r2").item)));

  EXPECT_EQ(Start(pod, "b", "r1").outcome, StartOutcome::kStarted);
}

TEST_P(RepetitionsTest, Checkpoint_ALateOneLeavesTheNewerOne) {
  Host host = AddHost();
  WorkItem item = StartWork(Register(host, "cart"), "a");
  EXPECT_EQ(Must(store().CheckpointWork(HolderOf(item), "one", 1)).checkpoint, "one");
  EXPECT_EQ(Must(store().CheckpointWork(HolderOf(item), "three", 3)).checkpoint, "three");

  EXPECT_EQ(Must(store().CheckpointWork(HolderOf(item), "one", 1)).checkpoint, "three");
  EXPECT_EQ(Must(store().CheckpointWork(HolderOf(item), "two", 2)).checkpoint, "three")
      << "its first attempt hung somewhere, and never ran";
  EXPECT_EQ(Item("a").checkpoint, "three");
}

TEST_P(RepetitionsTest, Checkpoint_WithoutANumberTheLastOneWins) {
  Host host = AddHost();
  WorkItem item = StartWork(Register(host, "cart"), "a");
  Must(store().CheckpointWork(HolderOf(item), "five", 5));

  EXPECT_EQ(Must(store().CheckpointWork(HolderOf(item), "any", 0)).checkpoint, "any");
  EXPECT_EQ(Must(store().CheckpointWork(HolderOf(item), "five", 5)).checkpoint, "any");
}

TEST_P(RepetitionsTest, Checkpoint_ANewOwnerCountsAnew) {
  Host host = AddHost();
  WorkItem item = StartWork(Register(host, "cart"), "a");
  Pod other = Register(host, "till");
  Must(store().CheckpointWork(HolderOf(item), "nine", 9));
  Must(Transfer(item, "till"));

  EXPECT_EQ(Must(store().CheckpointWork(HolderOf(Item("a")), "one", 1)).checkpoint, "one");
}

TEST_P(RepetitionsTest, Checkpoint_TheRepetitionOfAFormerOwnerIsFenced) {  // P5
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  Pod other = Register(host, "till");
  WorkItem item = StartWork(pod, "a");
  Must(store().CheckpointWork(HolderOf(item), "one", 1));
  Must(Transfer(item, "till"));

  EXPECT_EQ(ReasonOf(store().CheckpointWork(HolderOf(item), "one", 1)), reason::kFenced);
  Must(store().CheckpointWork(HolderOf(Item("a")), "two", 2));
  EXPECT_EQ(Item("a").checkpoint, "two");
}

TEST_P(RepetitionsTest, GivenUp_OnlyWhoDidItIsAnsweredAsDone) {  // P5
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  Pod other = Register(host, "till");
  WorkItem released = StartWork(pod, "released");
  WorkItem failed = StartWork(pod, "failed");
  WorkItem quarantined = StartWork(pod, "quarantined", Competing(1));
  Must(store().ReleaseWork(HolderOf(released)));
  Must(store().FailWork(HolderOf(failed), "x"));
  Must(store().FailWork(HolderOf(quarantined), "x"));
  quarantined = StartWork(pod, "quarantined");
  Must(store().FailWork(HolderOf(quarantined), "x"));
  ASSERT_EQ(Item("quarantined").state, WorkState::kQuarantined);
  const Seq head = Head();

  EXPECT_EQ(ReasonOf(store().ReleaseWork(HolderOf(released))), "OK");
  EXPECT_EQ(ReasonOf(store().FailWork(HolderOf(failed), "x")), "OK");
  EXPECT_EQ(Must(store().FailWork(HolderOf(quarantined), "x")).state, WorkState::kQuarantined);
  // What it did not do.
  EXPECT_EQ(ReasonOf(store().FailWork(HolderOf(released), "x")), reason::kFenced);
  EXPECT_EQ(ReasonOf(store().ReleaseWork(HolderOf(failed))), reason::kFenced);
  EXPECT_EQ(ReasonOf(store().ReleaseWork(HolderOf(quarantined))), reason::kFenced);
  // Nor what others did.
  for (WorkItem item : {released, failed, quarantined}) {
    item.owner = other.incarnation;
    EXPECT_EQ(ReasonOf(store().ReleaseWork(HolderOf(item))), reason::kFenced);
    EXPECT_EQ(ReasonOf(store().FailWork(HolderOf(item), "x")), reason::kFenced);
  }
  EXPECT_EQ(Head(), head);
}

TEST_P(RepetitionsTest, ClaimOrphans_ItsRepetitionReturnsWhatItClaimed) {
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  Pod survivor = Register(host, "till");
  for (const char* key : {"a", "b", "c", "d"}) StartWork(owner, key);
  Kill(owner);
  ASSERT_THAT(KeysOf(ClaimOrphans(survivor, "r1", 2)), ElementsAre("a", "b"));
  const Seq head = Head();

  const auto again = ClaimOrphans(survivor, "r1", 2);

  EXPECT_THAT(KeysOf(again), ElementsAre("a", "b"));
  for (const WorkItem& item : again) {
    EXPECT_EQ(item.owner, survivor.incarnation);
    EXPECT_EQ(item.fence, Fence{2});
  }
  EXPECT_EQ(Head(), head) << "and claims no more";
  EXPECT_THAT(KeysOf(ClaimOrphans(survivor, "r2")), ElementsAre("c", "d"));
}

TEST_P(RepetitionsTest, ClaimOrphans_ALateRepetitionClaimsNothing) {  // P5
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  Pod survivor = Register(host, "till");
  Pod other = Register(host, "shelf");
  for (const char* key : {"a", "b", "c", "d"}) StartWork(owner, key);
  Kill(owner);
  const auto claimed = ClaimOrphans(survivor, "r1", 3);
  ASSERT_THAT(KeysOf(claimed), ElementsAre("a", "b", "c"));
  Must(store().ReleaseWork(HolderOf(claimed[0])));
  Must(store().CompleteWork(HolderOf(claimed[1]), "done"));
  const Seq head = Head();

  EXPECT_THAT(KeysOf(ClaimOrphans(survivor, "r1", 3)), ElementsAre("c"))
      << "what it still owns of them";
  EXPECT_EQ(Head(), head);
  EXPECT_EQ(Item("a").state, WorkState::kReleased);
  EXPECT_EQ(Item("d").owner, owner.incarnation);

  Must(Transfer(claimed[2], "shelf"));
  const Seq later = Head();
  EXPECT_THAT(ClaimOrphans(survivor, "r1", 3), IsEmpty());
  EXPECT_EQ(Head(), later);
  EXPECT_EQ(Item("c").owner, other.incarnation);

  Must(store().CompleteWork(HolderOf(Item("c")), "done"));
  EXPECT_THAT(ClaimOrphans(survivor, "r1", 3), IsEmpty()) << "and owns none of them any more";
  EXPECT_EQ(Item("d").owner, owner.incarnation);
}

TEST_P(RepetitionsTest, ClaimOrphans_ALateRepetitionTakesNothingBack) {  // P5
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  Pod survivor = Register(host, "till");
  for (const char* key : {"a", "b", "c"}) StartWork(owner, key);
  Kill(owner);
  const auto claimed = ClaimOrphans(survivor, "r1", 2);
  ASSERT_THAT(claimed, SizeIs(2));
  Must(store().ReleaseWork(HolderOf(claimed[0])));
  Must(store().FailWork(HolderOf(claimed[1]), "x"));
  const Seq head = Head();

  EXPECT_THAT(ClaimOrphans(survivor, "r1", 2), IsEmpty());
  EXPECT_EQ(Head(), head);
  EXPECT_EQ(Item("a").state, WorkState::kReleased);
  EXPECT_TRUE(Item("c").orphan);
}

TEST_P(RepetitionsTest, ClaimOrphans_WhatFoundNothingMayFindSomethingLater) {
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  Pod survivor = Register(host, "till");
  StartWork(owner, "a");
  EXPECT_THAT(ClaimOrphans(survivor, "r1"), IsEmpty());
  Kill(owner);

  EXPECT_THAT(KeysOf(ClaimOrphans(survivor, "r1")), ElementsAre("a"));
}

TEST_P(RepetitionsTest, ClaimOrphans_TheRepetitionOfTheDeadIsRefused) {  // P6
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  Pod survivor = Register(host, "till");
  StartWork(owner, "a");
  Kill(owner);
  ASSERT_THAT(ClaimOrphans(survivor, "r1"), SizeIs(1));
  Kill(survivor);

  OrphansClaim late = AnyOrphans(survivor.incarnation, 10);
  late.request_id = "r1";
  EXPECT_EQ(ReasonOf(store().ClaimOrphans(late)), reason::kIncarnationEnded);
}

}  // namespace
}  // namespace vigil
