// Items that their owners give to others.
#include "conformance/store_test.h"

namespace vigil {
namespace {

using ::testing::SizeIs;

TEST_P(StoreTest, Transfer_GivesTheItemToTheLiving) {  // P5
  Host host = AddHost();
  Pod giver = Register(host, "cart");
  Pod taker = Register(host, "till");
  WorkItem item = StartWork(giver, "a", Sticky(std::chrono::seconds(30)));
  Must(store().CheckpointWork(HolderOf(item), "half", {}));
  const Seq head = Head();

  WorkItem given = Must(Transfer(item, "till"));

  EXPECT_EQ(given.state, WorkState::kOwned);
  EXPECT_EQ(given.owner, taker.incarnation);
  EXPECT_EQ(given.owner_name, "till");
  EXPECT_EQ(given.fence, Fence{2});
  EXPECT_EQ(given.payload, "payload of a");
  EXPECT_EQ(given.checkpoint, "half");
  EXPECT_EQ(given.traits, item.traits);
  auto events = EventsAfter(head);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].kind, EventKind::kWorkClaimed);
  EXPECT_EQ(events[0].work_key, "a");
  EXPECT_EQ(events[0].fence, Fence{2});
  EXPECT_EQ(events[0].incarnation, taker.incarnation);
  EXPECT_EQ(events[0].pod_name, "till");
  EXPECT_EQ(events[0].previous_owner, giver.incarnation);
  EXPECT_EQ(ReasonOf(store().CheckpointWork(HolderOf(item), "", {})), reason::kFenced);
  EXPECT_EQ(Must(store().CompleteWork(HolderOf(given), "done")).result, "done");
}

TEST_P(StoreTest, Transfer_ASuspectCanBeGivenTo) {
  Host host = AddHost();
  Pod giver = Register(host, "cart");
  Pod taker = Register(host, "till");
  WorkItem item = StartWork(giver, "a");
  Must(store().SuspectHosted(kNs, Cause::kStreamEnded, {HostedAs(taker)}));

  EXPECT_EQ(Must(Transfer(item, "till")).owner, taker.incarnation);
}

TEST_P(StoreTest, Transfer_ToNobodyWhoLives) {  // P6
  Host host = AddHost();
  Pod giver = Register(host, "cart");
  Pod dead = Register(host, "dead");
  Pod left = Register(host, "left");
  Register(host, "elsewhere", "other");
  WorkItem item = StartWork(giver, "a");
  Kill(dead);
  Must(store().Leave(kNs, HostedAs(left)));
  const Seq head = Head();

  for (const char* name : {"dead", "left", "elsewhere", "nobody"}) {
    EXPECT_EQ(ReasonOf(Transfer(item, name)), reason::kPodNotFound) << name;
  }
  EXPECT_EQ(Item("a").owner, giver.incarnation);
  EXPECT_EQ(Item("a").fence, item.fence);
  EXPECT_EQ(Head(), head);
  // The name, not the incarnation that had it.
  Pod again = Register(host, "dead");
  EXPECT_EQ(Must(Transfer(item, "dead")).owner, again.incarnation);
}

TEST_P(StoreTest, Transfer_NotToOneThatMayNotClaim) {
  Host host = AddHost();
  Pod giver = Register(host, "cart");
  Pod barred = RegisterBarred(host, "barred");
  WorkItem item = StartWork(giver, "a");
  WorkItem own = StartWork(barred, "own");
  const Seq head = Head();

  EXPECT_EQ(ReasonOf(Transfer(item, "barred")), reason::kNotGranted);
  EXPECT_EQ(Item("a").owner, giver.incarnation);
  EXPECT_EQ(Must(Transfer(own, "barred")).fence, own.fence) << "it has that";
  EXPECT_EQ(Head(), head);

  // What it may is what its identity might when it came last.
  barred = Must(ResumeOne(store(), Returning(host, barred)));
  EXPECT_EQ(Must(Transfer(item, "barred")).owner, barred.incarnation);
}

TEST_P(StoreTest, Transfer_ToItsOwnNameChangesNothing) {
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  WorkItem item = StartWork(pod, "a");
  const Seq head = Head();

  WorkItem same = Must(Transfer(item, "cart"));

  EXPECT_EQ(same.owner, pod.incarnation);
  EXPECT_EQ(same.fence, item.fence);
  EXPECT_EQ(Head(), head);
  Must(store().CheckpointWork(HolderOf(same), "still its own", {}));
}

TEST_P(StoreTest, Transfer_RepeatedChangesNothing) {  // P5
  Host host = AddHost();
  Pod giver = Register(host, "cart");
  Pod taker = Register(host, "till");
  Register(host, "shelf");
  WorkItem item = StartWork(giver, "a");
  WorkItem given = Must(Transfer(item, "till"));
  const Seq head = Head();

  WorkItem again = Must(Transfer(item, "till"));
  EXPECT_EQ(again.owner, taker.incarnation);
  EXPECT_EQ(again.fence, given.fence);
  EXPECT_EQ(Head(), head);
  auto other = Transfer(item, "shelf");
  EXPECT_EQ(ReasonOf(other), reason::kFenced) << "that is another transfer";
  EXPECT_EQ(MetadataOf(other), Fenced("a", taker.incarnation, given.fence).metadata);

  // It comes back to the giver, and then the first transfer is an old one.
  Must(Transfer(given, "cart"));
  EXPECT_EQ(ReasonOf(Transfer(item, "till")), reason::kFenced);
  EXPECT_EQ(Item("a").owner, giver.incarnation);
}

TEST_P(StoreTest, Transfer_RepeatedIsDoneWhateverTheReceiverDid) {  // P5
  Host host = AddHost();
  Pod giver = Register(host, "cart");
  Pod taker = Register(host, "till");
  WorkItem completed = StartWork(giver, "completed");
  WorkItem released = StartWork(giver, "released");
  WorkItem orphan = StartWork(giver, "orphan");
  WorkItem claimed = StartWork(giver, "claimed");
  for (const WorkItem& item : {completed, released, orphan, claimed}) Must(Transfer(item, "till"));
  Must(store().CompleteWork(HolderOf(Item("completed")), "done"));
  Must(store().ReleaseWork(HolderOf(Item("released"))));
  Kill(taker);
  Must(Claim(Register(host, "shelf"), Item("claimed")));
  const Seq head = Head();

  EXPECT_EQ(Must(Transfer(completed, "till")).state, WorkState::kCompleted);
  EXPECT_EQ(Must(Transfer(released, "till")).state, WorkState::kReleased);
  EXPECT_TRUE(Must(Transfer(orphan, "till")).orphan);
  EXPECT_EQ(ReasonOf(Transfer(claimed, "till")), reason::kFenced) << "somebody has taken it since";
  for (const WorkItem& item : {completed, released, orphan}) {
    EXPECT_EQ(ReasonOf(Transfer(item, "cart")), reason::kFenced) << "that was never done";
  }
  EXPECT_EQ(Head(), head);
}

// The pod has it by a claim, so nobody gave it to it.
TEST_P(StoreTest, Transfer_WhatWasNeverDoneIsNoRepetition) {  // P5
  Host host = AddHost();
  Pod giver = Register(host, "cart");
  Pod other = Register(host, "till");
  WorkItem item = StartWork(giver, "a");
  WorkItem released = Must(store().ReleaseWork(HolderOf(item)));
  Must(Claim(other, released));

  EXPECT_EQ(ReasonOf(Transfer(item, "till")), reason::kFenced);
}

TEST_P(StoreTest, Transfer_OnlyByTheOwnerWhoLives) {  // P5, P6
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  Pod other = Register(host, "till");
  WorkItem item = StartWork(owner, "a");
  WorkItem done = Must(store().CompleteWork(HolderOf(StartWork(owner, "done")), ""));
  WorkItem released = StartWork(owner, "released");
  Must(store().ReleaseWork(HolderOf(released)));
  auto transfer = [&](const char* key, Incarnation caller, Fence fence) {
    return ReasonOf(store().TransferWork({kNs, key, caller, fence}, "till"));
  };

  EXPECT_EQ(transfer("a", other.incarnation, item.fence), reason::kFenced);
  EXPECT_EQ(transfer("a", owner.incarnation, Fence{9}), reason::kFenced);
  EXPECT_EQ(transfer("released", owner.incarnation, released.fence), reason::kFenced);
  EXPECT_EQ(transfer("done", owner.incarnation, done.fence), reason::kWorkCompleted);
  EXPECT_EQ(transfer("no such", owner.incarnation, Fence{1}), reason::kWorkNotFound);
  EXPECT_EQ(transfer("a", {999'999'999}, item.fence), reason::kPodNotFound);
  Kill(owner);
  EXPECT_EQ(transfer("a", owner.incarnation, item.fence), reason::kIncarnationEnded);
  EXPECT_TRUE(Item("a").orphan);
  Must(Claim(other, item));
  EXPECT_EQ(transfer("a", owner.incarnation, item.fence), reason::kFenced) << "others have it";
}

TEST_P(StoreTest, Transfer_WhatWasGivenIsAnOrphanOfItsNewOwner) {  // P3
  Host host = AddHost();
  Pod giver = Register(host, "cart");
  Pod taker = Register(host, "till");
  WorkItem given = Must(Transfer(StartWork(giver, "a"), "till"));
  Kill(giver);
  EXPECT_FALSE(Item("a").orphan);
  EXPECT_EQ(ReasonOf(Claim(Register(host, "robber"), given)), reason::kOwnerAlive);
  const Seq head = Head();
  Kill(taker);

  EXPECT_TRUE(Item("a").orphan);
  EXPECT_EQ(EventsAfter(head)[0].orphans, 1U);
}

}  // namespace
}  // namespace vigil
