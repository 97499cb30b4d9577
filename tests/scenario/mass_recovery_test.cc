// The work of many pods that die at once finds new owners, and nobody else notices.
#include <algorithm>
#include <atomic>
#include <csignal>
#include <map>
#include <set>
#include <thread>

#include "crowd.h"
#include "eventually.h"
#include "measured.h"
#include "mortal_crowd.h"
#include "scenario.h"

namespace vigil {
namespace {

using std::chrono::seconds;

constexpr size_t kItemsOfEachPolicy = 5;
constexpr int kClaimers = 3;
constexpr int kHeirs = 4;
constexpr int kBystanders = 20;
// The server's default, which those who live take.
constexpr Duration kLease = seconds(3);
const std::map<std::string, std::string> kHeir = {{"role", "heir"}};

bool Has(const client::Event& event, const char* policy) {
  return event.kind == client::EventKind::kWorkClaimed &&
         event.work_key.find(policy) != std::string::npos;
}

class MassRecovery : public Scenario {
 protected:
  void StartLiving() {
    claimers_ =
        std::make_unique<Crowd>(client(), Crowd::Options{.prefix = "claimer-", .size = kClaimers});
    heirs_ = std::make_unique<Crowd>(
        client(), Crowd::Options{.prefix = "heir-", .size = kHeirs, .labels = kHeir});
    bystanders_ = std::make_unique<Crowd>(
        client(), Crowd::Options{.prefix = "bystander-", .size = kBystanders});
    for (Crowd* crowd : Living()) ASSERT_EQ(crowd->AwaitRegistered(), "");
  }

  std::vector<Crowd*> Living() { return {claimers_.get(), heirs_.get(), bystanders_.get()}; }

  // Those who claim whatever is free, until they are told to stop.
  void StartClaiming(Duration patience) {
    for (int i = 0; i < kClaimers; ++i) {
      claiming_.emplace_back([this, patience, self = claimers_->pod(i).standing().incarnation] {
        const client::Work work(client(), "default");
        Eventually(patience, [&] {
          const auto claimed = work.ClaimOrphans(self, 25);
          if (!claimed) ++refused_;
          return stopping_.load();
        });
      });
    }
  }
  void StopClaiming() {
    stopping_ = true;
    claiming_.clear();
  }

  // The longest that any of those who live is without an answer to a heartbeat just now.
  Duration LongestUnanswered() {
    Duration longest{};
    for (Crowd* crowd : Living()) {
      for (int i = 0; i < crowd->size(); ++i) {
        const auto until = crowd->pod(i).standing().lease_until.time_since_epoch();
        longest = std::max<Duration>(longest, kLease - (until - Now().time_since_epoch()));
      }
    }
    return longest;
  }

  // How many items have an owner that lives.
  size_t CountOwned() {
    const client::Work work(client(), "default");
    size_t owned = 0;
    client::WorkQuery query{.page_size = 1'000};
    do {
      const auto page = work.List(query);
      EXPECT_TRUE(page);
      if (!page) return owned;
      for (const client::WorkItem& item : page->items) {
        if (item.state == client::WorkState::kOwned && !item.orphan) ++owned;
      }
      query.page_token = page->next_page_token;
    } while (!query.page_token.empty());
    return owned;
  }

  void TearDown() override {
    StopClaiming();
    bystanders_.reset();
    heirs_.reset();
    claimers_.reset();
    Scenario::TearDown();
  }

  std::unique_ptr<Crowd> claimers_;
  std::unique_ptr<Crowd> heirs_;
  std::unique_ptr<Crowd> bystanders_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> refused_ = 0;
  std::vector<std::jthread> claiming_;
};

// P5, P6, P9
TEST_F(MassRecovery, ManyPodsDieAtOnce_EachItemHasOneNewOwnerAndNobodyElseNotices) {
  const int pods = FullOr(1'000, 100);
  const auto of_each_policy = static_cast<size_t>(pods) * kItemsOfEachPolicy;
  const Duration bound = FullOr(seconds(60), seconds(20));
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  ASSERT_NO_FATAL_FAILURE(StartLiving());
  auto doomed = RunMortalCrowd({.addresses = cluster().Addresses(),
                                .pods = pods,
                                .compete = static_cast<int>(kItemsOfEachPolicy),
                                .assign = static_cast<int>(kItemsOfEachPolicy),
                                .heirs = kHeir});
  ASSERT_TRUE(doomed) << doomed.error().message;
  ASSERT_TRUE((*doomed)->Await("ready", FullOr(seconds(240), seconds(60))))
      << (*doomed)->process().Transcript();
  StartClaiming(bound);

  const Instant killed = Now();
  (*doomed)->process().Signal(SIGKILL);

  Duration unanswered{};
  std::map<std::string, Duration> took;
  const bool recovered = Eventually(bound, [&] {
    unanswered = std::max(unanswered, LongestUnanswered());
    const auto reached = [&](const char* what, size_t wanted, const EventRecorder::Match& match) {
      if (took.contains(what) || log().Count(match) < wanted) return;
      took[what] = Now() - killed;
    };
    reached("the last is DEAD", static_cast<size_t>(pods), Of(client::EventKind::kPodDied));
    reached("the last of COMPETE has an owner", of_each_policy,
            [](const auto& event) { return Has(event, "/compete-"); });
    reached("the last of ASSIGN has an owner", of_each_policy,
            [](const auto& event) { return Has(event, "/assign-"); });
    return took.size() == 3;
  });
  StopClaiming();

  EXPECT_TRUE(recovered);
  for (const auto& [what, time] : took) TakeDown(what, time);
  TakeDown("the longest that a heartbeat was unanswered", unanswered);
  ExpectNone("refused claims", static_cast<size_t>(refused_));
  size_t lost = 0;
  for (Crowd* crowd : Living()) lost += crowd->lost() + crowd->changed();
  ExpectNone("LOST", lost);
  ExpectNone("deaths of others",
             log().Count(Of(client::EventKind::kPodDied)) - static_cast<size_t>(pods));

  std::map<std::string, std::set<std::string>> taken;
  std::map<std::string, size_t> heirs;
  for (const client::Event& event : log().Events()) {
    if (event.kind != client::EventKind::kWorkClaimed) continue;
    EXPECT_EQ(event.fence, client::Fence(2)) << event.work_key;
    EXPECT_TRUE(taken[event.work_key].insert(event.pod_name).second) << event.work_key;
    EXPECT_EQ(taken[event.work_key].size(), 1U) << event.work_key << " was given twice";
    const bool assigned = Has(event, "/assign-");
    EXPECT_TRUE(event.pod_name.starts_with(assigned ? "heir-" : "claimer-"))
        << event.work_key << " went to " << event.pod_name;
    if (assigned) ++heirs[event.pod_name];
  }
  EXPECT_EQ(taken.size(), 2 * of_each_policy);
  EXPECT_EQ(heirs.size(), static_cast<size_t>(kHeirs));
  EXPECT_EQ(CountOwned(), 2 * of_each_policy);
}

}  // namespace
}  // namespace vigil
