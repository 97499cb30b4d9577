// Items whose owners keep dying or failing.
#include "conformance/quarantine_test.h"

namespace vigil {
namespace {

using std::chrono::minutes;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

VIGIL_FOR_EVERY_STORE(QuarantineTest);

TEST_P(QuarantineTest, Adoptions_CountTheDead) {
  Host host = AddHost();
  Pod first = Register(host, "cart");
  WorkItem item = StartWork(first, "a", Competing(3));
  EXPECT_EQ(item.adoptions, 0U);
  EXPECT_THAT(item.former_owners, IsEmpty());
  Kill(first);
  EXPECT_EQ(Item("a").adoptions, 0U) << "nobody has taken it yet";
  Pod second = Adopt(host, "a");
  Kill(second);
  Pod third = Register(host, "till");
  auto claimed = Must(store().ClaimOrphans(AnyOrphans(third.incarnation, 1)));

  ASSERT_THAT(claimed, SizeIs(1));
  EXPECT_EQ(claimed[0].adoptions, 2U);
  ASSERT_THAT(claimed[0].former_owners, SizeIs(2));
  const FormerOwner& owner = claimed[0].former_owners[0];
  EXPECT_EQ(owner.incarnation, first.incarnation);
  EXPECT_EQ(owner.name, "cart");
  EXPECT_EQ(owner.fence, item.fence);
  EXPECT_EQ(owner.cause, Cause::kStreamEnded);
  EXPECT_EQ(owner.reason, "");
  EXPECT_EQ(owner.at, Must(store().GetPod(kNs, "cart")).ended_at);
  EXPECT_EQ(claimed[0].former_owners[1].incarnation, second.incarnation);
  EXPECT_EQ(Item("a").former_owners, claimed[0].former_owners);
}

TEST_P(QuarantineTest, Adoptions_DoNotCountWhoLeftOrReleasedOrTransferred) {
  Host host = AddHost();
  Pod first = Register(host, "cart");
  StartWork(first, "a", Competing(1));
  Must(store().Leave(kNs, HostedAs(first)));
  Pod second = Adopt(host, "a");
  WorkItem left = Item("a");
  EXPECT_EQ(left.adoptions, 0U);
  ASSERT_THAT(left.former_owners, SizeIs(1));
  EXPECT_EQ(left.former_owners[0].cause, Cause::kLeft);

  Must(store().ReleaseWork(HolderOf(Item("a"))));
  Pod third = Adopt(host, "a");
  Must(Transfer(Item("a"), second.name));
  EXPECT_EQ(Item("a").owner, second.incarnation);
  EXPECT_EQ(Item("a").adoptions, 0U);
  EXPECT_EQ(Item("a").former_owners, left.former_owners) << "those did not end badly";
}

TEST_P(QuarantineTest, Fail_GivesTheItemUpWithAReason) {
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  WorkItem item = StartWork(pod, "a", Competing(2));
  Must(store().CheckpointWork(HolderOf(item), "half", {}));
  const Seq head = Head();

  WorkItem failed = Must(store().FailWork(HolderOf(item), "größer als erlaubt: \"9\""));

  EXPECT_EQ(failed.state, WorkState::kReleased);
  EXPECT_FALSE(failed.owner);
  EXPECT_EQ(failed.owner_name, "");
  EXPECT_EQ(failed.fence, item.fence);
  EXPECT_EQ(failed.checkpoint, "half");
  EXPECT_EQ(failed.adoptions, 1U);
  ASSERT_THAT(failed.former_owners, SizeIs(1));
  const FormerOwner& owner = failed.former_owners[0];
  EXPECT_EQ(owner.incarnation, pod.incarnation);
  EXPECT_EQ(owner.name, "cart");
  EXPECT_EQ(owner.fence, item.fence);
  EXPECT_EQ(owner.cause, Cause::kNone);
  EXPECT_EQ(owner.reason, "größer als erlaubt: \"9\"");
  EXPECT_TRUE(owner.at);
  auto events = EventsAfter(head);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].kind, EventKind::kWorkReleased);
  EXPECT_EQ(events[0].work_key, "a");
  EXPECT_EQ(events[0].fence, item.fence);
  EXPECT_EQ(events[0].incarnation, pod.incarnation);
}

TEST_P(QuarantineTest, Fail_RepeatedChangesNothing) {
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  Pod other = Register(host, "till");
  WorkItem item = StartWork(pod, "a", Competing(1));
  WorkItem failed = Must(store().FailWork(HolderOf(item), "too large"));
  Seq head = Head();

  WorkItem again = Must(store().FailWork(HolderOf(item), "another reason"));
  EXPECT_EQ(again.adoptions, 1U);
  EXPECT_EQ(again.former_owners, failed.former_owners);
  EXPECT_EQ(Head(), head);

  // The one that quarantines it, too.
  WorkItem second = StartWork(other, "a");
  EXPECT_EQ(ReasonOf(store().FailWork(HolderOf(item), "late")), reason::kFenced);
  Must(store().FailWork(HolderOf(second), "too large"));
  head = Head();
  EXPECT_EQ(Must(store().FailWork(HolderOf(second), "late")).state, WorkState::kQuarantined);
  EXPECT_THAT(Item("a").former_owners, SizeIs(2));
  EXPECT_EQ(Head(), head);
}

TEST_P(QuarantineTest, Fail_OnlyByTheOwnerWhoLives) {  // P5, P6
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  Pod other = Register(host, "till");
  WorkItem item = StartWork(owner, "a");
  WorkItem done = Must(store().CompleteWork(HolderOf(StartWork(owner, "done")), ""));

  auto refused = store().FailWork({kNs, "a", other.incarnation, item.fence}, "x");
  EXPECT_EQ(ReasonOf(refused), reason::kFenced);
  EXPECT_EQ(MetadataOf(refused), Fenced("a", owner.incarnation, item.fence).metadata);
  EXPECT_EQ(ReasonOf(store().FailWork({kNs, "a", owner.incarnation, Fence{9}}, "x")),
            reason::kFenced);
  EXPECT_EQ(ReasonOf(store().FailWork(HolderOf(done), "x")), reason::kWorkCompleted);
  EXPECT_EQ(ReasonOf(store().FailWork({kNs, "no such", owner.incarnation, Fence{1}}, "x")),
            reason::kWorkNotFound);
  EXPECT_EQ(ReasonOf(store().FailWork({kNs, "a", {999'999'999}, Fence{1}}, "x")),
            reason::kPodNotFound);
  Kill(owner);
  EXPECT_EQ(ReasonOf(store().FailWork(HolderOf(item), "x")), reason::kIncarnationEnded);
  Must(Claim(other, item));
  EXPECT_EQ(ReasonOf(store().FailWork(HolderOf(item), "x")), reason::kFenced);
  EXPECT_EQ(Item("a").owner, other.incarnation);
  EXPECT_EQ(Item("done").state, WorkState::kCompleted);
}

TEST_P(QuarantineTest, Fail_OneTooManyQuarantines) {
  Host host = AddHost();
  Pod first = Register(host, "cart");
  Pod second = Register(host, "till");
  StartWork(first, "a", Competing(1));
  Fail("a", "once");
  StartWork(second, "a");
  const Seq head = Head();

  WorkItem item = Fail("a", "twice");

  EXPECT_EQ(item.state, WorkState::kQuarantined);
  EXPECT_FALSE(item.owner);
  EXPECT_EQ(item.fence, Fence{2});
  ASSERT_THAT(item.former_owners, SizeIs(2));
  EXPECT_EQ(item.former_owners[0].reason, "once");
  EXPECT_EQ(item.former_owners[1].reason, "twice");
  auto events = EventsAfter(head);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].kind, EventKind::kWorkQuarantined);
  EXPECT_EQ(events[0].cause, Cause::kNone);
  EXPECT_EQ(events[0].incarnation, second.incarnation);
  EXPECT_EQ(events[0].pod_name, "till");
  EXPECT_EQ(events[0].fence, Fence{2});
}

TEST_P(QuarantineTest, Claim_OfWhatKilledTooManyQuarantines) {  // P3
  Host host = AddHost();
  Pod first = Register(host, "cart");
  StartWork(first, "a", Competing(1));
  Kill(first);
  Pod last = Adopt(host, "a");
  Kill(last);
  Pod claimant = Register(host, "till");
  const WorkItem orphan = Item("a");
  EXPECT_EQ(orphan.state, WorkState::kOwned) << "that comes when somebody would have it";
  const Seq head = Head();

  ClaimedWork claimed = Must(Claim(claimant, orphan));

  EXPECT_EQ(claimed.outcome, ClaimOutcome::kQuarantined);
  EXPECT_EQ(claimed.item.state, WorkState::kQuarantined);
  EXPECT_FALSE(claimed.item.owner);
  EXPECT_FALSE(claimed.item.orphan);
  EXPECT_EQ(claimed.item.fence, orphan.fence) << "nobody was given it";
  ASSERT_THAT(claimed.item.former_owners, SizeIs(2));
  EXPECT_EQ(claimed.item.former_owners[1].incarnation, last.incarnation);
  EXPECT_EQ(claimed.item.former_owners[1].cause, Cause::kStreamEnded);
  auto events = EventsAfter(head);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].kind, EventKind::kWorkQuarantined);
  EXPECT_EQ(events[0].cause, Cause::kStreamEnded);
  EXPECT_EQ(events[0].incarnation, last.incarnation);
  EXPECT_EQ(events[0].pod_name, last.name);
  EXPECT_EQ(events[0].work_key, "a");
  EXPECT_EQ(events[0].fence, orphan.fence);
  EXPECT_EQ(Must(Claim(claimant, orphan)).outcome, ClaimOutcome::kQuarantined) << "repeated";
  EXPECT_EQ(Head(), Seq{head.value + 1});
}

TEST_P(QuarantineTest, Claim_WhoMayNotHaveItQuarantinesNothing) {
  Host host = AddHost();
  Pod first = Register(host, "cart");
  WorkTraits sticky = Sticky(minutes(10));
  sticky.max_adoptions = 1;
  WorkItem item = StartWork(first, "a", sticky);
  Kill(first);
  Pod second = Register(host, "cart");
  Must(Claim(second, item));
  Kill(second);
  Pod other = Register(host, "till");

  EXPECT_EQ(Must(Claim(other, Item("a"))).outcome, ClaimOutcome::kReserved);
  EXPECT_THAT(Must(store().ClaimOrphans(AnyOrphans(other.incarnation, 10))), IsEmpty());
  EXPECT_EQ(Item("a").state, WorkState::kOwned);
  Pod third = Register(host, "cart");
  EXPECT_EQ(Must(Claim(third, Item("a"))).outcome, ClaimOutcome::kQuarantined);
}

TEST_P(QuarantineTest, ClaimOrphans_QuarantinesInItsBatch) {
  Host host = AddHost();
  Pod first = Register(host, "cart");
  for (const char* key : {"a", "b", "c", "d"}) {
    StartWork(first, key, Competing(key == std::string("b") ? 1 : 9));
  }
  Kill(first);
  Pod second = Register(host, "till");
  ASSERT_THAT(Must(store().ClaimOrphans(AnyOrphans(second.incarnation, 10))), SizeIs(4));
  Kill(second);
  Pod third = Register(host, "shelf");
  const Seq head = Head();

  EXPECT_THAT(KeysOf(Must(store().ClaimOrphans(AnyOrphans(third.incarnation, 3)))),
              ElementsAre("a", "c"))
      << "the one that is quarantined counts for the limit";

  EXPECT_EQ(Item("b").state, WorkState::kQuarantined);
  EXPECT_EQ(Item("b").fence, Fence{2});
  auto events = EventsAfter(head);
  ASSERT_THAT(events, SizeIs(3));
  for (const Event& event : events) {
    const bool quarantined = event.work_key == "b";
    EXPECT_EQ(event.kind, quarantined ? EventKind::kWorkQuarantined : EventKind::kWorkClaimed);
    EXPECT_EQ(event.incarnation, quarantined ? second.incarnation : third.incarnation);
    EXPECT_EQ(event.transaction_end, Head()) << "one transaction";
  }
  EXPECT_THAT(KeysOf(Must(store().ClaimOrphans(AnyOrphans(third.incarnation, 3)))),
              ElementsAre("d"));
}

TEST_P(QuarantineTest, Quarantined_NobodyCanHaveIt) {  // P5
  Host host = AddHost();
  WorkItem item = Quarantined(host, "a");
  Pod pod = Register(host, "till");
  const Seq head = Head();

  StartedWork started = Must(store().StartWork(NewItem("a", pod.incarnation)));
  EXPECT_EQ(started.outcome, StartOutcome::kQuarantined);
  EXPECT_EQ(started.item.state, WorkState::kQuarantined);
  EXPECT_EQ(Must(Claim(pod, item)).outcome, ClaimOutcome::kQuarantined);
  WorkItem older = item;
  older.fence = Fence{1};
  older.owner = pod.incarnation;
  EXPECT_EQ(Must(Claim(pod, older)).outcome, ClaimOutcome::kQuarantined) << "whatever it believed";
  EXPECT_THAT(Must(store().ClaimOrphans(AnyOrphans(pod.incarnation, 10))), IsEmpty());
  const WorkHolder holder{kNs, "a", pod.incarnation, item.fence};
  EXPECT_EQ(ReasonOf(store().CheckpointWork(holder, "", {})), reason::kFenced);
  EXPECT_EQ(ReasonOf(store().CompleteWork(holder, "")), reason::kFenced);
  EXPECT_EQ(ReasonOf(store().TransferWork(holder, "till")), reason::kFenced);
  EXPECT_EQ(Head(), head);
}

TEST_P(QuarantineTest, Quarantined_IsListed) {
  Host host = AddHost();
  Quarantined(host, "poison");
  Pod pod = Register(host, "till");
  StartWork(pod, "owned");
  Must(store().ReleaseWork(HolderOf(StartWork(pod, "released"))));
  auto list = [&](const WorkFilter& filter) {
    return KeysOf(Must(store().ListWork(kNs, filter, "", 100)).items);
  };

  EXPECT_THAT(list({.quarantined_only = true}), ElementsAre("poison"));
  EXPECT_THAT(list({}), ElementsAre("owned", "poison", "released"));
  EXPECT_THAT(list({.claimable_only = true}), ElementsAre("released"));
  EXPECT_THAT(list({.quarantined_only = true, .choice = {.kinds = {"other"}}}), IsEmpty());
}

TEST_P(QuarantineTest, ReleaseQuarantined_CountsItsAdoptionsAnew) {
  Host host = AddHost();
  WorkItem item = Quarantined(host, "a");
  const Seq head = Head();

  WorkItem released = Must(store().ReleaseQuarantined(kNs, "a", item.fence));

  EXPECT_EQ(released.state, WorkState::kReleased);
  EXPECT_EQ(released.adoptions, 0U);
  EXPECT_EQ(released.fence, item.fence);
  EXPECT_EQ(released.former_owners, item.former_owners) << "what happened is not forgotten";
  auto events = EventsAfter(head);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].kind, EventKind::kWorkReleased);
  EXPECT_EQ(events[0].work_key, "a");
  EXPECT_EQ(events[0].fence, item.fence);
  EXPECT_EQ(events[0].pod_name, "");
  EXPECT_FALSE(events[0].incarnation);

  Adopt(host, "a");
  EXPECT_EQ(Fail("a").state, WorkState::kReleased) << "once is allowed again";
  Adopt(host, "a");
  EXPECT_EQ(Fail("a").state, WorkState::kQuarantined);
  EXPECT_THAT(Item("a").former_owners, SizeIs(4));
}

TEST_P(QuarantineTest, ReleaseQuarantined_RepeatedChangesNothing) {
  Host host = AddHost();
  WorkItem item = Quarantined(host, "a");
  Must(store().ReleaseQuarantined(kNs, "a", item.fence));
  const Seq head = Head();

  EXPECT_EQ(Must(store().ReleaseQuarantined(kNs, "a", item.fence)).state, WorkState::kReleased);
  EXPECT_EQ(Head(), head);

  Pod pod = Adopt(host, "a");
  auto late = store().ReleaseQuarantined(kNs, "a", item.fence);
  EXPECT_EQ(ReasonOf(late), reason::kFenced);
  EXPECT_EQ(MetadataOf(late), Fenced("a", pod.incarnation, Fence{3}).metadata);
}

TEST_P(QuarantineTest, ReleaseQuarantined_OnlyWhatIsQuarantinedWithThisFence) {
  Host host = AddHost();
  Pod pod = Register(host, "till");
  WorkItem owned = StartWork(pod, "owned");
  WorkItem done = Must(store().CompleteWork(HolderOf(StartWork(pod, "done")), ""));
  WorkItem poison = Quarantined(host, "poison");

  EXPECT_EQ(ReasonOf(store().ReleaseQuarantined(kNs, "no such", Fence{1})), reason::kWorkNotFound);
  EXPECT_EQ(ReasonOf(store().ReleaseQuarantined("nowhere", "poison", poison.fence)),
            reason::kWorkNotFound);
  EXPECT_EQ(ReasonOf(store().ReleaseQuarantined(kNs, "owned", owned.fence)), reason::kFenced);
  EXPECT_EQ(ReasonOf(store().ReleaseQuarantined(kNs, "done", done.fence)), reason::kFenced);
  EXPECT_EQ(ReasonOf(store().ReleaseQuarantined(kNs, "poison", Fence{1})), reason::kFenced);
  EXPECT_EQ(Item("owned").owner, pod.incarnation);
  EXPECT_EQ(Item("poison").state, WorkState::kQuarantined);
}

TEST_P(QuarantineTest, ReleaseQuarantined_FreesAnOrphan) {
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  WorkItem nobody_matches = StartWork(owner, "assigned", Assigned({{"zone", "moon"}}));
  WorkItem waits = StartWork(owner, "sticky", Sticky(minutes(10)));
  EXPECT_EQ(ReasonOf(store().ReleaseQuarantined(kNs, "assigned", nobody_matches.fence)),
            reason::kFenced)
      << "its owner lives";
  Kill(owner);
  Pod other = Register(host, "till");
  const Seq head = Head();
  EXPECT_EQ(ReasonOf(store().ReleaseQuarantined(kNs, "assigned", Fence{9})), reason::kFenced);

  for (const WorkItem& item : {nobody_matches, waits}) {
    WorkItem released = Must(store().ReleaseQuarantined(kNs, item.key, item.fence));
    EXPECT_EQ(released.state, WorkState::kReleased);
    EXPECT_FALSE(released.owner);
    EXPECT_EQ(released.fence, item.fence);
    ASSERT_THAT(released.former_owners, SizeIs(1));
    EXPECT_EQ(released.former_owners[0].incarnation, owner.incarnation);
    EXPECT_EQ(Must(store().ReleaseQuarantined(kNs, item.key, item.fence)).state,
              WorkState::kReleased)
        << "repeated";
  }
  EXPECT_EQ(Head(), Seq{head.value + 2});
  EXPECT_FALSE(EventsAfter(head)[0].incarnation);

  StartedWork started = Must(store().StartWork(NewItem("assigned", other.incarnation)));
  EXPECT_EQ(started.outcome, StartOutcome::kStarted) << "whoever calls";
  EXPECT_EQ(started.item.fence, Fence{2});
  EXPECT_EQ(started.item.adoptions, 0U);
  EXPECT_THAT(KeysOf(Must(store().ClaimOrphans(AnyOrphans(other.incarnation, 10)))),
              ElementsAre("sticky"));
}

TEST_P(QuarantineTest, FormerOwners_TheLastSixteenStay) {  // P11
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  for (int i = 0; i < 18; ++i) {
    WorkItem item = StartWork(pod, "a", Competing(100));
    Must(store().FailWork(HolderOf(item), Numbered("failure ", i)));
  }

  const WorkItem item = Item("a");
  EXPECT_EQ(item.adoptions, 18U);
  ASSERT_THAT(item.former_owners, SizeIs(kRememberedOwners));
  EXPECT_EQ(item.former_owners.front().reason, "failure 2");
  EXPECT_EQ(item.former_owners.back().reason, "failure 17");
  EXPECT_EQ(item.former_owners.back().fence, item.fence);
}

}  // namespace
}  // namespace vigil
