// Work items that change hands.
#include "conformance/store_test.h"
#include "core/validate.h"

namespace vigil {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_P(StoreTest, Claim_TakesTheOrphan) {  // P5
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  Pod survivor = Register(host, "till");
  WorkItem item = StartWork(owner, "a");
  Must(store().CheckpointWork(HolderOf(item), "half", {}));
  Kill(owner);
  Seq head = Head();

  ClaimedWork claimed = Must(Claim(survivor, item));

  EXPECT_EQ(claimed.outcome, ClaimOutcome::kClaimed);
  EXPECT_EQ(claimed.item.owner, survivor.incarnation);
  EXPECT_EQ(claimed.item.owner_name, "till");
  EXPECT_EQ(claimed.item.fence, Fence{2});
  EXPECT_EQ(claimed.item.payload, "payload of a");
  EXPECT_EQ(claimed.item.checkpoint, "half");
  EXPECT_FALSE(claimed.item.orphan);
  auto events = EventsAfter(head);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, EventKind::kWorkClaimed);
  EXPECT_EQ(events[0].work_key, "a");
  EXPECT_EQ(events[0].fence, Fence{2});
  EXPECT_EQ(events[0].previous_owner, owner.incarnation);
  EXPECT_EQ(events[0].incarnation, survivor.incarnation);
  EXPECT_EQ(events[0].pod_name, "till");
}

TEST_P(StoreTest, Claim_FromTheLivingRefused) {  // P6
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  Pod robber = Register(host, "till");
  WorkItem item = StartWork(owner, "a");

  auto refused = Claim(robber, item);
  EXPECT_EQ(ReasonOf(refused), reason::kOwnerAlive);
  EXPECT_EQ(MetadataOf(refused), OwnerAlive("a", owner.incarnation, item.fence).metadata);
  Must(store().SuspectHosted(kNs, Cause::kStreamEnded, {HostedAs(owner)}));
  EXPECT_EQ(ReasonOf(Claim(robber, item)), reason::kOwnerAlive) << "a suspicion is no verdict";
  EXPECT_THAT(Must(store().ClaimOrphans(AnyOrphans(robber.incarnation, 10))), IsEmpty());

  WorkItem found = Must(store().GetWork(kNs, "a"));
  EXPECT_EQ(found.owner, owner.incarnation);
  EXPECT_EQ(found.fence, item.fence);
}

TEST_P(StoreTest, Claim_ComparesOwnerAndFence) {  // P5
  Host host = AddHost();
  Pod first = Register(host, "cart");
  Pod second = Register(host, "till");
  Pod third = Register(host, "shelf");
  WorkItem item = StartWork(first, "a");
  Kill(first);
  WorkItem wrong_owner = item;
  wrong_owner.owner = third.incarnation;
  WorkItem wrong_fence = item;
  ++wrong_fence.fence.value;
  WorkItem no_owner = item;
  no_owner.owner = {};

  for (const WorkItem& seen : {wrong_owner, wrong_fence, no_owner}) {
    ClaimedWork lost = Must(Claim(second, seen));
    EXPECT_EQ(lost.outcome, ClaimOutcome::kLost);
    EXPECT_EQ(lost.item.owner, first.incarnation) << "the answer says how it is";
    EXPECT_EQ(lost.item.fence, item.fence);
  }
  EXPECT_EQ(Must(Claim(second, item)).outcome, ClaimOutcome::kClaimed);
  ClaimedWork late = Must(Claim(third, item));
  EXPECT_EQ(late.outcome, ClaimOutcome::kLost);
  EXPECT_EQ(late.item.owner, second.incarnation);
  EXPECT_EQ(ReasonOf(Claim(third, WorkItem{.ns = kNs, .key = "no such"})), reason::kWorkNotFound);
}

TEST_P(StoreTest, Claim_RepeatedByWinnerIsClaimed) {  // P5
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  Pod winner = Register(host, "till");
  WorkItem item = StartWork(owner, "a");
  Kill(owner);
  Must(Claim(winner, item));
  Seq head = Head();

  ClaimedWork again = Must(Claim(winner, item));

  EXPECT_EQ(again.outcome, ClaimOutcome::kClaimed);
  EXPECT_EQ(again.item.fence, Fence{2});
  EXPECT_EQ(Head(), head);
}

TEST_P(StoreTest, Claim_RepeatedAfterLosingItIsLost) {  // P5
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  Pod winner = Register(host, "till");
  WorkItem item = StartWork(owner, "a");
  Kill(owner);
  WorkItem claimed = Must(Claim(winner, item)).item;
  Must(store().ReleaseWork(HolderOf(claimed)));
  EXPECT_EQ(Must(Claim(winner, item)).outcome, ClaimOutcome::kLost);
  // It takes it anew, and then the first claim is an old one.
  Must(store().StartWork(NewItem("a", winner.incarnation)));
  EXPECT_EQ(Must(Claim(winner, item)).outcome, ClaimOutcome::kLost);
}

TEST_P(StoreTest, Claim_TakesTheReleased) {  // P5
  Host host = AddHost();
  Pod first = Register(host, "cart");
  Pod second = Register(host, "till");
  WorkItem released = Must(store().ReleaseWork(HolderOf(StartWork(first, "a"))));
  Seq head = Head();

  ClaimedWork claimed = Must(Claim(second, released));

  EXPECT_EQ(claimed.outcome, ClaimOutcome::kClaimed);
  EXPECT_EQ(claimed.item.fence, Fence{2});
  EXPECT_EQ(claimed.item.state, WorkState::kOwned);
  auto events = EventsAfter(head);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].previous_owner, Incarnation{});
  EXPECT_EQ(Must(Claim(second, released)).outcome, ClaimOutcome::kClaimed) << "repeated";
  EXPECT_EQ(Must(Claim(first, released)).outcome, ClaimOutcome::kLost);
}

TEST_P(StoreTest, ClaimOrphans_TakesABatchByKey) {  // P5
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  Pod living = Register(host, "shelf");
  Pod survivor = Register(host, "till");
  for (const char* key : {"c", "a", "e", "d", "b"}) StartWork(owner, key);
  StartWork(living, "aa");
  Must(store().ReleaseWork(HolderOf(StartWork(living, "bb"))));
  Kill(owner);
  Seq head = Head();

  auto first = Must(store().ClaimOrphans(AnyOrphans(survivor.incarnation, 4)));
  auto second = Must(store().ClaimOrphans(AnyOrphans(survivor.incarnation, 4)));

  EXPECT_THAT(KeysOf(first), ElementsAre("a", "b", "bb", "c"));
  EXPECT_THAT(KeysOf(second), ElementsAre("d", "e"));
  for (const WorkItem& item : first) {
    EXPECT_EQ(item.owner, survivor.incarnation);
    EXPECT_EQ(item.owner_name, "till");
    EXPECT_EQ(item.fence, Fence{2});
    EXPECT_FALSE(item.orphan);
  }
  auto events = EventsAfter(head);
  ASSERT_EQ(events.size(), 6U);
  for (const Event& event : events) {
    EXPECT_EQ(event.kind, EventKind::kWorkClaimed);
    EXPECT_EQ(event.previous_owner, event.work_key == "bb" ? Incarnation{} : owner.incarnation);
  }
  EXPECT_EQ(events[0].transaction_end, Seq{head.value + 4});
  EXPECT_EQ(Must(store().GetWork(kNs, "aa")).owner, living.incarnation);
}

// Payload, checkpoint and result count, all together.
TEST_P(StoreTest, ClaimOrphans_BoundedByBytes) {  // P11
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  Pod survivor = Register(host, "till");
  const std::string half(kLargestAnswer / 2, 'x');
  const std::string quarter(kLargestAnswer / 4, 'y');
  auto start = [&](const char* key, const std::string& payload, const std::string& checkpoint) {
    WorkItem item = Must(store().StartWork(NewItem(key, owner.incarnation, payload))).item;
    Must(store().CheckpointWork(HolderOf(item), checkpoint, {}));
  };
  start("a", half, quarter);
  start("b", quarter, "");  // exactly full
  start("c", "", "z");
  start("d", half + half, "z");  // too large by itself
  start("e", "", "");
  start("f", "", "z");
  Kill(owner);
  auto claim = [&](uint32_t limit) {
    return KeysOf(Must(store().ClaimOrphans(AnyOrphans(survivor.incarnation, limit))));
  };

  EXPECT_THAT(claim(100), ElementsAre("a", "b"));
  EXPECT_EQ(Must(store().GetWork(kNs, "c")).owner, owner.incarnation) << "the others are left";
  EXPECT_THAT(claim(100), ElementsAre("c"));
  EXPECT_THAT(claim(100), ElementsAre("d")) << "at least one";
  EXPECT_THAT(claim(1), ElementsAre("e"));
  EXPECT_THAT(claim(100), ElementsAre("f"));
  EXPECT_THAT(claim(100), IsEmpty());
}

}  // namespace
}  // namespace vigil
