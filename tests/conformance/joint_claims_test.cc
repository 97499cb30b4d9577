// Claims of one item that come together through one coordinator.
#include "store/joint_claims.h"

#include <deque>
#include <set>

#include "conformance/store_test.h"

namespace vigil {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

// A lane that the test turns.
class HandLane final : public Lane {
 public:
  bool Enqueue(std::function<void(Store&)> work) override {
    if (full) return false;
    queue_.push_back(std::move(work));
    return true;
  }
  const std::string& name() const override { return name_; }

  size_t waiting() const { return queue_.size(); }
  void RunOne(Store& store) {
    const auto work = std::move(queue_.front());
    queue_.pop_front();
    work(store);
  }

  bool full = false;

 private:
  const std::string name_ = "hand";
  std::deque<std::function<void(Store&)>> queue_;
};

class JointClaimsTest : public StoreTest {
 protected:
  void SetUp() override { host_ = AddHost(); }

  WorkItem OrphanOf(const std::string& name, const WorkTraits& traits = Competing()) {
    Pod owner = Register(host_, name);
    WorkItem item = StartWork(owner, "item-of-" + name, traits);
    Kill(owner);
    return item;
  }

  // What it is answered goes to `answers_`, with the owner that it was told of.
  void Make(
      const Pod& claimant, const WorkItem& seen, std::function<void()> answered = [] {}) {
    claims_.Make({.claim = {kNs, seen.key, claimant.incarnation, seen.owner, seen.fence},
                  .abandoned = [this, name = claimant.name] { return abandoned_.contains(name); },
                  .answer =
                      [this, name = claimant.name, answered](Result<ClaimedWork> claimed) {
                        answers_.emplace_back(
                            name, claimed ? WordOf(*claimed) : std::string(ReasonOf(claimed)));
                        answered();
                      }});
  }

  static std::string WordOf(const ClaimedWork& claimed) {
    const char* const words[] = {"CLAIMED by ", "LOST to ", "RESERVED for ", "QUARANTINED from "};
    return words[static_cast<int>(claimed.outcome)] + claimed.item.owner_name;
  }

  Host host_;
  HandLane lane_;
  JointClaims claims_{lane_, 4};
  std::set<std::string> abandoned_;
  std::vector<std::pair<std::string, std::string>> answers_;
};

VIGIL_FOR_EVERY_STORE(JointClaimsTest);

TEST_P(JointClaimsTest, Together_OneHasItAndTheOthersHearOfIt) {  // P5
  Pod till = Register(host_, "till");
  Pod desk = Register(host_, "desk");
  Pod gone = Register(host_, "gone");
  const WorkItem item = OrphanOf("cart");
  Make(till, item);
  Make(desk, item);
  Make(gone, item);
  Kill(gone);
  ASSERT_EQ(lane_.waiting(), 1U);

  lane_.RunOne(store());

  EXPECT_THAT(answers_, ElementsAre(Pair("till", "CLAIMED by till"), Pair("desk", "LOST to till"),
                                    // Nobody has asked the database whether it lives.
                                    Pair("gone", "LOST to till")));
  EXPECT_EQ(lane_.waiting(), 0U);
}

TEST_P(JointClaimsTest, WhoComesMeanwhile_IsAnsweredByALaterTransaction) {  // P5
  Pod till = Register(host_, "till");
  Pod desk = Register(host_, "desk");
  const WorkItem item = OrphanOf("cart");
  Make(till, item, [&] {
    Make(desk, item);
    Kill(till);
    Pod heir = Register(host_, "heir");
    Must(Claim(heir, Item(item.key)));
  });
  lane_.RunOne(store());
  lane_.RunOne(store());
  EXPECT_THAT(answers_, ElementsAre(Pair("till", "CLAIMED by till"), Pair("desk", "LOST to heir")));
  Make(desk, item);
  EXPECT_EQ(lane_.waiting(), 1U) << "it is forgotten";
}

TEST_P(JointClaimsTest, WhoComesMeanwhile_IsBehindThoseOfOtherItems) {
  Pod till = Register(host_, "till");
  Pod desk = Register(host_, "desk");
  const WorkItem item = OrphanOf("cart");
  Make(till, item, [&] { Make(desk, item); });
  Make(desk, OrphanOf("shelf"));
  for (int i = 0; i < 3; ++i) lane_.RunOne(store());
  EXPECT_THAT(answers_, ElementsAre(Pair("till", "CLAIMED by till"),
                                    Pair("desk", "CLAIMED by desk"), Pair("desk", "LOST to till")));
}

TEST_P(JointClaimsTest, TheDead_LeaveItToTheNext) {  // P6
  Pod gone = Register(host_, "gone");
  Pod till = Register(host_, "till");
  const WorkItem item = OrphanOf("cart");
  Make(gone, item);
  Make(till, item);
  Kill(gone);
  lane_.RunOne(store());
  EXPECT_THAT(answers_, ElementsAre(Pair("gone", std::string(reason::kIncarnationEnded)),
                                    Pair("till", "CLAIMED by till")));
}

TEST_P(JointClaimsTest, WhoMayNotHaveIt_LeavesItToThoseWhoMay) {
  Pod till = Register(host_, "till");
  const WorkItem item = OrphanOf("cart", Sticky(std::chrono::hours(1)));
  Pod heir = Register(host_, "cart");
  Make(till, item);
  Make(heir, item);
  lane_.RunOne(store());
  EXPECT_THAT(answers_,
              ElementsAre(Pair("till", "RESERVED for cart"), Pair("cart", "CLAIMED by cart")));
}

TEST_P(JointClaimsTest, TheSameClaimTwice_IsWonTwice) {  // P5
  Pod till = Register(host_, "till");
  const WorkItem item = OrphanOf("cart");
  Make(till, item);
  Make(till, item);
  lane_.RunOne(store());
  EXPECT_THAT(answers_,
              ElementsAre(Pair("till", "CLAIMED by till"), Pair("till", "CLAIMED by till")));
}

TEST_P(JointClaimsTest, OfOtherFencesOrItems_DoNotWaitForEachOther) {
  Pod till = Register(host_, "till");
  const WorkItem item = OrphanOf("cart");
  WorkItem older = item;
  older.fence = Fence{};
  Make(till, item);
  Make(till, older);
  Make(till, OrphanOf("desk"));
  EXPECT_EQ(lane_.waiting(), 3U);
}

TEST_P(JointClaimsTest, WhoHasStoppedWaiting_ClaimsNothing) {
  Pod gone = Register(host_, "gone");
  Pod till = Register(host_, "till");
  const WorkItem item = OrphanOf("cart");
  abandoned_ = {"gone"};
  Make(gone, item);
  Make(till, item);
  Make(gone, item);
  lane_.RunOne(store());
  EXPECT_THAT(answers_, ElementsAre(Pair("till", "CLAIMED by till")));
}

TEST_P(JointClaimsTest, TooMany_AreRefusedAndTheOthersGoOn) {  // P11
  const std::string limit_reached(reason::kLimitReached);
  const WorkItem item = OrphanOf("cart");
  for (int i = 0; i < 5; ++i) Make(Register(host_, Numbered("till-", i)), item);
  EXPECT_THAT(answers_, ElementsAre(Pair("till-4", limit_reached)));
  lane_.RunOne(store());
  EXPECT_EQ(answers_.size(), 5U);
  EXPECT_EQ(Item(item.key).owner_name, "till-0");
}

TEST_P(JointClaimsTest, AFullLane_RefusesAndForgets) {  // P11
  Pod till = Register(host_, "till");
  const WorkItem item = OrphanOf("cart");
  lane_.full = true;
  Make(till, item);
  lane_.full = false;
  Make(till, item);
  lane_.RunOne(store());
  EXPECT_THAT(answers_, ElementsAre(Pair("till", std::string(reason::kLimitReached)),
                                    Pair("till", "CLAIMED by till")));
}

TEST_P(JointClaimsTest, AFullLane_RefusesWhoComesMeanwhileAndForgets) {  // P11
  Pod till = Register(host_, "till");
  Pod desk = Register(host_, "desk");
  const WorkItem item = OrphanOf("cart");
  Make(till, item, [&] {
    lane_.full = true;
    Make(desk, item);
  });
  lane_.RunOne(store());
  EXPECT_THAT(answers_, ElementsAre(Pair("till", "CLAIMED by till"),
                                    Pair("desk", std::string(reason::kLimitReached))));
  lane_.full = false;
  Make(desk, item);
  EXPECT_EQ(lane_.waiting(), 1U) << "it is forgotten";
}

}  // namespace
}  // namespace vigil
