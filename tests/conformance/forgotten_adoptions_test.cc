// Which ownerships make the adoptions before them forgotten.
#include "conformance/quarantine_test.h"

namespace vigil {
namespace {

using std::chrono::seconds;
using ::testing::SizeIs;

class ForgottenAdoptionsTest : public QuarantineTest {};

VIGIL_FOR_EVERY_STORE(ForgottenAdoptionsTest);

// Whoever has had it for ten minutes, and got on with it, has shown that it can be done.
TEST_P(ForgottenAdoptionsTest, Adoptions_BeforeALongOwnershipAreForgotten) {
  Host host = AddHost();
  Pod first = Register(host, "cart");
  for (const char* key : {"dies", "fails", "given", "leaves", "released"}) {
    StartWork(first, key, Competing(1));
  }
  Kill(first);
  Pod leaver = Register(host, "leaver");
  EXPECT_EQ(Must(Claim(leaver, Item("leaves"))).item.adoptions, 1U);
  Pod second = Register(host, "till");
  ASSERT_THAT(Must(store().ClaimOrphans(AnyOrphans(second.incarnation, 10))), SizeIs(4));
  for (const WorkItem& item : AllWork()) Must(store().CheckpointWork(HolderOf(item), "half", {}));
  world().Age(kLongOwnership + seconds(1));

  Must(store().Leave(kNs, HostedAs(leaver)));
  Adopt(host, "leaves");
  EXPECT_EQ(Item("leaves").adoptions, 0U);
  EXPECT_EQ(Must(store().ReleaseWork(HolderOf(Item("released")))).adoptions, 0U);
  EXPECT_EQ(Must(Transfer(Item("given"), "adopter-1")).adoptions, 0U);
  EXPECT_EQ(Fail("fails").state, WorkState::kReleased);
  EXPECT_EQ(Item("fails").adoptions, 1U);
  Kill(second);
  // The time until somebody comes is not the owner's.
  world().Age(kLongOwnership);
  Adopt(host, "dies");
  EXPECT_EQ(Item("dies").adoptions, 1U);
  EXPECT_THAT(Item("dies").former_owners, SizeIs(2)) << "they stay in the history";
}

TEST_P(ForgottenAdoptionsTest, Adoptions_AfterAShortOwnershipAreKept) {
  Host host = AddHost();
  Pod first = Register(host, "cart");
  WorkItem item = StartWork(first, "a", Competing(1));
  world().Age(kLongOwnership);
  Kill(first);
  Pod second = Adopt(host, "a");
  Must(store().CheckpointWork(HolderOf(Item("a")), "half", {}));
  world().Age(kLongOwnership - seconds(10));
  Kill(second);
  world().Age(kLongOwnership);
  Pod third = Register(host, "till");

  EXPECT_EQ(Must(Claim(third, Item("a"))).outcome, ClaimOutcome::kQuarantined);
}

// What takes long to kill its owners is quarantined all the same.
TEST_P(ForgottenAdoptionsTest, Adoptions_AfterALongOwnershipWithoutACheckpointAreKept) {
  Host host = AddHost();
  Pod first = Register(host, "cart");
  StartWork(first, "a", Competing(1));
  // It is each owner's own checkpoint that counts.
  Must(store().CheckpointWork(HolderOf(Item("a")), "half", {}));
  Kill(first);
  Pod second = Adopt(host, "a");
  world().Age(kLongIdleOwnership - seconds(10));
  Kill(second);
  Pod third = Register(host, "till");

  EXPECT_EQ(Must(Claim(third, Item("a"))).outcome, ClaimOutcome::kQuarantined);
}

TEST_P(ForgottenAdoptionsTest, Adoptions_BeforeADayWithoutACheckpointAreForgotten) {
  Host host = AddHost();
  Pod first = Register(host, "cart");
  StartWork(first, "a", Competing(1));
  Kill(first);
  Pod second = Adopt(host, "a");
  world().Age(kLongIdleOwnership + seconds(1));
  Kill(second);

  Adopt(host, "a");
  EXPECT_EQ(Item("a").adoptions, 1U);
}

}  // namespace
}  // namespace vigil
