// Who may take an item over: as its policy says, and as the claimant chooses.
#include "conformance/store_test.h"

namespace vigil {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Duration kWait = seconds(30);

TEST_P(StoreTest, Traits_AreThoseOfTheStart) {
  Host host = AddHost();
  Pod pod = Register(host, "cart");
  const WorkTraits compete{.kind = "import",
                           .labels = {{"zone", "eu-1"}, {"quoted \"", "\\ü{}"}},
                           .max_adoptions = 1'000'000};
  WorkTraits assign = Assigned({{"gpu", "yes"}});
  assign.kind = "train";
  const WorkTraits sticky = Sticky(std::chrono::milliseconds(86'400'000));

  EXPECT_EQ(StartWork(pod, "compete", compete).traits, compete);
  EXPECT_EQ(StartWork(pod, "assign", assign).traits, assign);
  EXPECT_EQ(StartWork(pod, "sticky", sticky).traits, sticky);
  // They are those of the first start, whatever a later one says, and whoever has the item.
  StartWork(pod, "compete", assign);
  Kill(pod);
  Pod other = RegisterLabelled(host, "till", {{"gpu", "yes"}});
  const WorkItem claimed = Must(Claim(other, Item("compete"))).item;
  EXPECT_EQ(claimed.traits, compete);
  Must(store().ReleaseWork(HolderOf(claimed)));
  EXPECT_EQ(StartWork(other, "compete", sticky).traits, compete);
  EXPECT_EQ(Item("assign").traits, assign);
  EXPECT_EQ(Item("sticky").traits, sticky);
}

// P11
TEST_P(StoreTest, Registered_LearnsThePoliciesOfItsPredecessorsWork) {
  Host host = AddHost();
  WorkTraits traits = Sticky(kWait);
  traits.kind = "import";
  const WorkTraits without_labels = traits;
  traits.labels = {{"zone", "eu-1"}};
  Pod first = Register(host, "cart");
  StartWork(first, "a", traits);
  Must(store().FailWork(HolderOf(Item("a")), "x"));
  StartWork(first, "a");
  Kill(first);

  const Registered second = RegisterAs(Newcomer(host, "cart"));

  ASSERT_THAT(KeysOf(second.predecessors_work), ElementsAre("a"));
  EXPECT_EQ(second.predecessors_work[0].traits, without_labels);
  EXPECT_EQ(second.predecessors_work[0].adoptions, 1U);
  EXPECT_THAT(second.predecessors_work[0].former_owners, IsEmpty()) << "that is for GetWork";
}

TEST_P(StoreTest, Sticky_WaitsForTheNameOfItsOwner) {
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  Pod other = Register(host, "till");
  WorkItem item = StartWork(owner, "a", Sticky(kWait));
  Kill(owner);
  const Seq head = Head();

  ClaimedWork reserved = Must(Claim(other, item));
  EXPECT_EQ(reserved.outcome, ClaimOutcome::kReserved);
  EXPECT_EQ(reserved.item.owner, owner.incarnation) << "nothing was changed";
  EXPECT_EQ(reserved.item.fence, item.fence);
  EXPECT_TRUE(reserved.item.orphan);
  EXPECT_THAT(Must(store().ClaimOrphans(AnyOrphans(other.incarnation, 10))), IsEmpty());
  EXPECT_EQ(Must(store().StartWork(NewItem("a", other.incarnation))).outcome,
            StartOutcome::kOrphaned);
  EXPECT_EQ(Head(), head);

  Pod successor = Register(host, "cart");
  EXPECT_EQ(Must(Claim(successor, item)).outcome, ClaimOutcome::kClaimed);
  EXPECT_EQ(Must(Claim(successor, item)).outcome, ClaimOutcome::kClaimed) << "repeated";
  EXPECT_EQ(Must(Claim(other, item)).outcome, ClaimOutcome::kLost) << "it compares first";
}

TEST_P(StoreTest, Sticky_ItsNameFindsItInABatch) {
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  Pod another = Register(host, "till");
  StartWork(owner, "a", Sticky(kWait));
  StartWork(another, "b", Sticky(kWait));
  StartWork(owner, "c", Sticky(kWait));
  Kill(owner);
  Kill(another);
  Pod successor = Register(host, "cart");

  EXPECT_THAT(KeysOf(Must(store().ClaimOrphans(AnyOrphans(successor.incarnation, 10)))),
              ElementsAre("a", "c"));
}

TEST_P(StoreTest, Sticky_IsForAnybodyAfterItsWait) {
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  Pod other = Register(host, "till");
  WorkItem one = StartWork(owner, "one", Sticky(kWait));
  WorkItem two = StartWork(owner, "two", Sticky(kWait));
  StartWork(owner, "long", Sticky(hours(24)));
  // However long the owner had it: the wait begins with its end.
  world().Age(hours(1));
  Must(store().Leave(kNs, HostedAs(owner)));
  EXPECT_EQ(Must(Claim(other, one)).outcome, ClaimOutcome::kReserved);
  world().Age(kWait - seconds(10));
  EXPECT_EQ(Must(Claim(other, one)).outcome, ClaimOutcome::kReserved);
  world().Age(seconds(10));

  EXPECT_EQ(Must(Claim(other, one)).outcome, ClaimOutcome::kClaimed);
  EXPECT_THAT(KeysOf(Must(store().ClaimOrphans(AnyOrphans(other.incarnation, 10)))),
              ElementsAre("two"));
  EXPECT_EQ(Must(Claim(other, Item("long"))).outcome, ClaimOutcome::kReserved);
}

TEST_P(StoreTest, Sticky_ReleasedIsForAnybodyAtOnce) {
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  Pod other = Register(host, "till");
  for (const char* key : {"a", "b", "c"}) {
    Must(store().ReleaseWork(HolderOf(StartWork(owner, key, Sticky(hours(1))))));
  }

  EXPECT_EQ(Must(Claim(other, Item("a"))).outcome, ClaimOutcome::kClaimed);
  EXPECT_THAT(KeysOf(Must(store().ClaimOrphans(AnyOrphans(other.incarnation, 1)))),
              ElementsAre("b"));
  StartWork(other, "c");
  // From its new owner on it waits for that one's name.
  Kill(other);
  EXPECT_EQ(Must(Claim(owner, Item("a"))).outcome, ClaimOutcome::kReserved);
}

TEST_P(StoreTest, Assign_IsClaimedOnlyByWhomItsSelectorMatches) {
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  Pod plain = Register(host, "plain");
  Pod wrong = RegisterLabelled(host, "wrong", {{"gpu", "no"}, {"zone", "eu-1"}});
  Pod right =
      RegisterLabelled(host, "right", {{"gpu", "yes"}, {"more", "of it"}, {"zone", "eu-1"}});
  const WorkTraits traits = Assigned({{"gpu", "yes"}, {"zone", "eu-1"}});
  WorkItem orphan = StartWork(owner, "orphan", traits);
  WorkItem released = Must(store().ReleaseWork(HolderOf(StartWork(owner, "released", traits))));
  StartWork(owner, "anybody's", Assigned());
  Kill(owner);

  for (const Pod& pod : {plain, wrong}) {
    EXPECT_EQ(Must(Claim(pod, orphan)).outcome, ClaimOutcome::kReserved);
    EXPECT_EQ(Must(Claim(pod, released)).outcome, ClaimOutcome::kReserved);
  }
  for (const Pod& pod : {plain, wrong, right}) {
    EXPECT_THAT(Must(store().ClaimOrphans(AnyOrphans(pod.incarnation, 10))), IsEmpty());
  }
  EXPECT_EQ(Must(Claim(right, orphan)).outcome, ClaimOutcome::kClaimed);
  EXPECT_EQ(Must(Claim(right, released)).outcome, ClaimOutcome::kClaimed);
  EXPECT_EQ(Must(Claim(plain, Item("anybody's"))).outcome, ClaimOutcome::kClaimed);
}

TEST_P(StoreTest, Assign_ReleasedIsStartedByAnybody) {
  Host host = AddHost();
  Pod owner = Register(host, "cart");
  Pod plain = Register(host, "plain");
  Must(store().ReleaseWork(HolderOf(StartWork(owner, "a", Assigned({{"gpu", "yes"}})))));

  EXPECT_EQ(StartWork(plain, "a").owner, plain.incarnation);
}

class ChoiceTest : public StoreTest {
 protected:
  // Orphans of three kinds and some labels.
  void LeaveItems(Host& host) {
    Pod owner = Register(host, "cart");
    auto start = [&](const char* key, const char* kind, Labels labels) {
      StartWork(owner, key, {.kind = kind, .labels = std::move(labels), .max_adoptions = 1});
    };
    start("export-1", "export", {{"size", "large"}});
    start("import-1", "import", {{"size", "large"}, {"zone", "eu-1"}});
    start("import-2", "import", {{"size", "small"}, {"zone", "eu-1"}});
    start("plain", "", {});
    Kill(owner);
  }

  static std::vector<std::pair<WorkChoice, std::vector<std::string>>> Choices() {
    return {{{}, {"export-1", "import-1", "import-2", "plain"}},
            {{.kinds = {"import"}}, {"import-1", "import-2"}},
            {{.kinds = {"import", "export", "other"}}, {"export-1", "import-1", "import-2"}},
            {{.kinds = {"other"}}, {}},
            {{.labels = {{"size", "large"}}}, {"export-1", "import-1"}},
            {{.labels = {{"size", "large"}, {"zone", "eu-1"}}}, {"import-1"}},
            {{.labels = {{"size", ""}}}, {}},
            {{.kinds = {"import"}, .labels = {{"size", "small"}}}, {"import-2"}}};
  }
};

VIGIL_FOR_EVERY_STORE(ChoiceTest);

TEST_P(ChoiceTest, ListWork_ShowsWhatIsChosen) {
  Host host = AddHost();
  LeaveItems(host);
  for (const auto& [choice, keys] : Choices()) {
    EXPECT_EQ(KeysOf(Must(store().ListWork(kNs, {.choice = choice}, "", 100)).items), keys);
    EXPECT_EQ(
        KeysOf(
            Must(store().ListWork(kNs, {.claimable_only = true, .choice = choice}, "", 9)).items),
        keys);
  }
}

TEST_P(ChoiceTest, ListWork_PagesThroughWhatIsChosen) {
  Host host = AddHost();
  LeaveItems(host);
  const WorkFilter filter{.choice = {.kinds = {"import"}}};

  const WorkPage first = Must(store().ListWork(kNs, filter, "", 1));
  EXPECT_THAT(KeysOf(first.items), ElementsAre("import-1"));
  EXPECT_TRUE(first.more);
  const WorkPage second = Must(store().ListWork(kNs, filter, "import-1", 1));
  EXPECT_THAT(KeysOf(second.items), ElementsAre("import-2"));
  EXPECT_FALSE(second.more);
}

TEST_P(ChoiceTest, ClaimOrphans_TakesWhatIsChosen) {
  Host host = AddHost();
  LeaveItems(host);
  Pod survivor = Register(host, "till");
  auto claim = [&](const WorkChoice& choice, uint32_t limit) {
    OrphansClaim chosen = AnyOrphans(survivor.incarnation, limit);
    chosen.choice = choice;
    return KeysOf(Must(store().ClaimOrphans(chosen)));
  };

  EXPECT_THAT(claim({.kinds = {"other"}}, 10), IsEmpty());
  EXPECT_THAT(claim({.kinds = {"import"}, .labels = {{"size", "small"}}}, 10),
              ElementsAre("import-2"));
  EXPECT_THAT(claim({.labels = {{"size", "large"}}}, 1), ElementsAre("export-1"));
  EXPECT_THAT(claim({.labels = {{"size", "large"}}}, 10), ElementsAre("import-1"));
  EXPECT_THAT(claim({}, 10), ElementsAre("plain"));
}

}  // namespace
}  // namespace vigil
