// Items that the coordinators give to living pods.
#include <map>

#include "conformance/store_test.h"

namespace vigil {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr uint32_t kMany = 100;

class AssignTest : public StoreTest {
 protected:
  AssignedWork AssignOnce(uint32_t limit) { return Must(store().AssignWork(kNs, limit)); }

  // Rounds until there is no more to do; what they did together.
  AssignedWork Assign(uint32_t limit = kMany) {
    AssignedWork all{.more = true};
    while (all.more && !HasFailure()) {
      const AssignedWork round = AssignOnce(limit);
      EXPECT_LE(round.assigned + round.quarantined, limit);
      all.assigned += round.assigned;
      all.quarantined += round.quarantined;
      all.more = round.more;
    }
    return all;
  }

  // How many items each pod owns.
  std::map<std::string, size_t> Owned() {
    std::map<std::string, size_t> owned;
    for (const WorkItem& item : AllWork()) {
      if (item.state == WorkState::kOwned && !item.orphan) ++owned[item.owner_name];
    }
    return owned;
  }

  std::vector<std::string> Assignable() { return Must(store().ListAssignable("", kMany)); }
};

VIGIL_FOR_EVERY_STORE(AssignTest);

TEST_P(AssignTest, Assign_GivesTheOrphanToTheLiving) {  // P5
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  WorkItem item = StartWork(owner, "a", Assigned());
  StartWork(owner, "competes");
  Kill(owner);
  Pod taker = Register(host, "till");
  const Seq head = Head();

  const AssignedWork done = Assign();

  EXPECT_EQ(done.assigned, 1U);
  EXPECT_EQ(done.quarantined, 0U);
  WorkItem given = Item("a");
  EXPECT_EQ(given.state, WorkState::kOwned);
  EXPECT_EQ(given.owner, taker.incarnation);
  EXPECT_EQ(given.fence, Fence{2});
  EXPECT_EQ(given.adoptions, 1U);
  ASSERT_THAT(given.former_owners, SizeIs(1));
  EXPECT_EQ(given.former_owners[0].incarnation, owner.incarnation);
  EXPECT_EQ(given.former_owners[0].fence, item.fence);
  auto events = EventsAfter(head);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].kind, EventKind::kWorkClaimed);
  EXPECT_EQ(events[0].work_key, "a");
  EXPECT_EQ(events[0].fence, Fence{2});
  EXPECT_EQ(events[0].incarnation, taker.incarnation);
  EXPECT_EQ(events[0].pod_name, "till");
  EXPECT_EQ(events[0].previous_owner, owner.incarnation);
  EXPECT_TRUE(Item("competes").orphan) << "that is for whoever claims it";
}

TEST_P(AssignTest, Assign_TakesNothingFromTheLiving) {  // P6
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  Register(host, "till");
  StartWork(owner, "a", Assigned());
  Must(store().CompleteWork(HolderOf(StartWork(owner, "done", Assigned())), ""));
  Must(store().SuspectHosted(kNs, Cause::kStreamEnded, {HostedAs(owner)}));

  EXPECT_EQ(Assign().assigned, 0U);
  EXPECT_EQ(Item("a").owner, owner.incarnation);
  EXPECT_EQ(Item("done").state, WorkState::kCompleted);
}

TEST_P(AssignTest, Assign_NothingToThoseThatMayNotClaim) {
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  StartWork(owner, "a", Assigned());
  Kill(owner);
  NewPod newcomer = Newcomer(host, "barred");
  newcomer.may_claim = false;
  const Registered barred = RegisterAs(newcomer);
  EXPECT_EQ(Assign().assigned, 0U);
  EXPECT_TRUE(Item("a").orphan);

  // Whoever comes back may what its identity may by then.
  newcomer.session = IssueSession(host);
  newcomer.may_claim = true;
  RegisterAs(newcomer);
  EXPECT_EQ(Assign().assigned, 1U);
  EXPECT_EQ(Item("a").owner, barred.pod.incarnation);
  Must(store().ReleaseWork(HolderOf(Item("a"))));
  ResumePod returning = Returning(host, barred.pod);
  returning.session_token = barred.session_token;
  returning.may_claim = false;
  Must(ResumeOne(store(), returning));
  EXPECT_EQ(Assign().assigned, 0U);
}

TEST_P(AssignTest, Assign_GivesTheReleasedToo) {
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  Must(store().ReleaseWork(HolderOf(StartWork(owner, "released", Assigned()))));
  Must(store().FailWork(HolderOf(StartWork(owner, "failed", Assigned())), "x"));
  Must(store().Leave(kNs, HostedAs(owner)));
  Pod taker = Register(host, "till");
  const Seq head = Head();

  EXPECT_EQ(Assign().assigned, 2U);
  EXPECT_EQ(Item("released").owner, taker.incarnation);
  EXPECT_EQ(Item("failed").owner, taker.incarnation);
  EXPECT_EQ(Item("failed").adoptions, 1U) << "the failure was counted when it happened";
  for (const Event& event : EventsAfter(head)) EXPECT_FALSE(event.previous_owner);
}

TEST_P(AssignTest, Assign_FewestItemsFirst) {
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  for (int i = 0; i < 5; ++i) StartWork(owner, Numbered("item-", i), Assigned());
  Pod busy = Register(host, "busy");
  Pod idle = Register(host, "idle");
  Pod some = Register(host, "some");
  // What counts is what they own, of whatever policy.
  for (int i = 0; i < 4; ++i) StartWork(busy, Numbered("busy-", i));
  StartWork(some, "some-0", Assigned());
  // What is done is nobody's burden.
  for (int i = 0; i < 6; ++i) {
    Must(store().CompleteWork(HolderOf(StartWork(idle, Numbered("done-", i))), ""));
  }
  Kill(owner);

  EXPECT_EQ(AssignOnce(1).assigned, 1U);
  EXPECT_EQ(Owned()["idle"], 1U);
  EXPECT_EQ(Assign().assigned, 4U);
  EXPECT_THAT(Owned(), UnorderedElementsAre(Pair("busy", 4), Pair("idle", 3), Pair("some", 3)));
}

TEST_P(AssignTest, Assign_BalancesWithinOneRound) {
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  for (int i = 0; i < 30; ++i) StartWork(owner, Numbered("item-", i), Assigned());
  for (int i = 0; i < 3; ++i) Register(host, Numbered("till-", i));
  Kill(owner);

  EXPECT_EQ(AssignOnce(kMany).assigned, 30U);
  EXPECT_THAT(Owned(),
              UnorderedElementsAre(Pair("till-0", 10), Pair("till-1", 10), Pair("till-2", 10)));
}

TEST_P(AssignTest, Assign_OnlyToWhomTheSelectorMatches) {
  Host host = AddHost();
  Pod owner = RegisterLabelled(host, "cart", {{"gpu", "yes"}});
  for (int i = 0; i < 4; ++i) StartWork(owner, Numbered("gpu-", i), Assigned({{"gpu", "yes"}}));
  for (int i = 0; i < 3; ++i) StartWork(owner, Numbered("plain-", i), Assigned());
  StartWork(owner, "nobody's", Assigned({{"gpu", "yes"}, {"zone", "moon"}}));
  Kill(owner);
  Pod plain = RegisterLabelled(host, "plain", {{"gpu", "no"}});
  Pod gpu = RegisterLabelled(host, "gpu", {{"gpu", "yes"}, {"zone", "eu-1"}});

  const AssignedWork done = Assign();

  EXPECT_EQ(done.assigned, 7U);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Item(Numbered("gpu-", i)).owner, gpu.incarnation);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Item(Numbered("plain-", i)).owner, plain.incarnation);
  EXPECT_TRUE(Item("nobody's").orphan);
}

TEST_P(AssignTest, Assign_WhatNobodyMayHaveWaits) {
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  StartWork(owner, "a", Assigned({{"gpu", "yes"}}));
  StartWork(owner, "b", Assigned());
  Kill(owner);
  const Seq head = Head();

  const AssignedWork nothing = AssignOnce(1);
  EXPECT_EQ(nothing.assigned, 0U);
  EXPECT_FALSE(nothing.more) << "there is nothing to do at once";
  EXPECT_EQ(Head(), head);
  Register(host, "till");
  EXPECT_EQ(Assign(1).assigned, 1U) << "what nobody may have is not in the way of the others";
  EXPECT_FALSE(Item("b").orphan);
  EXPECT_THAT(Assignable(), ElementsAre(kNs)) << "it is looked for again";
  RegisterLabelled(host, "gpu", {{"gpu", "yes"}});
  EXPECT_EQ(Assign(1).assigned, 1U);
  EXPECT_EQ(Item("a").owner_name, "gpu");
  EXPECT_THAT(Assignable(), IsEmpty());
}

TEST_P(AssignTest, Assign_NotToTheSuspectedOrEnded) {
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  Pod suspect = Register(host, "suspect");
  Pod left = Register(host, "left");
  StartWork(owner, "a", Assigned());
  Kill(owner);
  Must(store().SuspectHosted(kNs, Cause::kStreamEnded, {HostedAs(suspect)}));
  Must(store().Leave(kNs, HostedAs(left)));

  EXPECT_EQ(Assign().assigned, 0U);
  Must(store().Refute(kNs, {HostedAs(suspect)}));
  EXPECT_EQ(Assign().assigned, 1U);
  EXPECT_EQ(Item("a").owner, suspect.incarnation);
}

TEST_P(AssignTest, Assign_InBoundedRounds) {  // P11
  constexpr int kItems = 25;
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  for (int i = 0; i < kItems; ++i) StartWork(owner, Numbered("item-", i), Assigned());
  Register(host, "till");
  Kill(owner);
  const Seq head = Head();

  EXPECT_TRUE(AssignOnce(10).more);
  EXPECT_EQ(Head(), Seq{head.value + 10});
  EXPECT_EQ(Assign(10).assigned, kItems - 10U);

  EXPECT_THAT(EventsAfter(head), SizeIs(kItems));
  EXPECT_EQ(EventsAfter(head)[0].transaction_end, Seq{head.value + 10}) << "one transaction each";
}

TEST_P(AssignTest, Assign_QuarantinesWhatWasAdoptedTooOften) {
  Host host = AddHost();
  WorkTraits once = Assigned();
  once.max_adoptions = 1;
  Pod first = Register(host, "cart");
  StartWork(first, "a", once);
  StartWork(first, "b", Assigned());
  Kill(first);
  Pod second = Register(host, "till");
  EXPECT_EQ(Assign().assigned, 2U);
  Kill(second);
  Pod third = Register(host, "shelf");
  const Seq head = Head();

  const AssignedWork done = Assign();

  EXPECT_EQ(done.assigned, 1U);
  EXPECT_EQ(done.quarantined, 1U);
  WorkItem item = Item("a");
  EXPECT_EQ(item.state, WorkState::kQuarantined);
  EXPECT_EQ(item.fence, Fence{2});
  EXPECT_THAT(item.former_owners, SizeIs(2));
  EXPECT_EQ(Item("b").owner, third.incarnation);
  auto events = EventsAfter(head);
  ASSERT_THAT(events, SizeIs(2));
  const Event& quarantined = events[0].work_key == "a" ? events[0] : events[1];
  EXPECT_EQ(quarantined.kind, EventKind::kWorkQuarantined);
  EXPECT_EQ(quarantined.incarnation, second.incarnation);
  EXPECT_EQ(quarantined.cause, Cause::kStreamEnded);
  EXPECT_EQ(Assign().assigned, 0U) << "it is nobody's";
  Must(store().ReleaseQuarantined(kNs, "a", item.fence));
  EXPECT_EQ(Assign().assigned, 1U);
  EXPECT_EQ(Item("a").owner, third.incarnation);
}

TEST_P(AssignTest, Assignable_AreTheNamespacesWithSomethingToGive) {
  Host host = AddHost();
  Pod shop = Register(host, "cart");
  Pod other = Register(host, "cart", "other");
  StartWork(shop, "a", Assigned());
  StartWork(other, "a");
  EXPECT_THAT(Assignable(), IsEmpty()) << "its owner lives";
  Kill(other);
  EXPECT_THAT(Assignable(), IsEmpty()) << "an orphan of another policy";
  Kill(shop);
  EXPECT_THAT(Assignable(), ElementsAre(kNs));
  Pod again = Register(host, "again", "other");
  Must(store().ReleaseWork(HolderOf(StartWork(again, "b", Assigned()))));

  EXPECT_THAT(Assignable(), ElementsAre("other", kNs));
  EXPECT_THAT(Must(store().ListAssignable("", 1)), ElementsAre("other"));
  EXPECT_THAT(Must(store().ListAssignable("other", 1)), ElementsAre(kNs));
  EXPECT_THAT(Must(store().ListAssignable(kNs, 1)), IsEmpty());
}

TEST_P(AssignTest, Assign_OfAnUnknownNamespaceIsNothing) {
  const AssignedWork done = Must(store().AssignWork("nowhere", kMany));
  EXPECT_EQ(done.assigned + done.quarantined, 0U);
  EXPECT_FALSE(done.more);
}

}  // namespace
}  // namespace vigil
