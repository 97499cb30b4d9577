// Random operations on work items beside a model of what each must answer.
#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <tuple>

#include "conformance/store_test.h"

namespace vigil {
namespace {

constexpr int kSteps = 300;
constexpr uint32_t kAdoptions = 2;
constexpr size_t kItemsAtOnce = 4;

struct ModelItem {
  WorkState state = WorkState::kOwned;
  size_t owner = 0;
  uint64_t fence = 1;
  uint32_t adoptions = 0;
  // What holders did that gave it up: a word, who, with which fence, and to whom.
  std::set<std::tuple<std::string, size_t, uint64_t, size_t>> deeds;
};

// What the port says, in the plainest words. Pods are known by the order of their registration.
class WorkModel {
 public:
  std::vector<bool> living;
  std::map<std::string, ModelItem> items;

  std::string_view Start(size_t pod, const std::string& key) {
    if (!living[pod]) return reason::kIncarnationEnded;
    auto [item, made] = items.try_emplace(key, ModelItem{.owner = pod});
    if (made) return "STARTED";
    if (item->second.state == WorkState::kCompleted) return "COMPLETED";
    if (item->second.state == WorkState::kQuarantined) return "QUARANTINED";
    if (item->second.state == WorkState::kReleased) {
      Give(item->second, pod);
      return "STARTED";
    }
    if (item->second.owner == pod) return "STARTED";
    return living[item->second.owner] ? "OWNED" : "ORPHANED";
  }

  std::string_view Checkpoint(size_t pod, const std::string& key, uint64_t fence) {
    auto refusal = Refusal(pod, key, fence);
    if (refusal != "OK") return refusal;
    return items[key].state == WorkState::kCompleted ? reason::kWorkCompleted : "OK";
  }

  std::string_view Complete(size_t pod, const std::string& key, uint64_t fence) {
    auto refusal = Refusal(pod, key, fence);
    if (refusal == "OK") items[key].state = WorkState::kCompleted;
    return refusal;
  }

  std::string_view Release(size_t pod, const std::string& key, uint64_t fence) {
    if (HasDone("release", pod, key, fence, fence)) return "OK";
    auto answer = Checkpoint(pod, key, fence);
    if (answer == "OK") {
      items[key].state = WorkState::kReleased;
      items[key].deeds.insert({"release", pod, fence, 0});
    }
    return answer;
  }

  std::string_view Fail(size_t pod, const std::string& key, uint64_t fence) {
    if (HasDone("fail", pod, key, fence, fence)) return "OK";
    auto answer = Checkpoint(pod, key, fence);
    if (answer == "OK") {
      CountFailure(items[key]);
      items[key].deeds.insert({"fail", pod, fence, 0});
    }
    return answer;
  }

  std::string_view Transfer(size_t pod, const std::string& key, uint64_t fence, size_t to) {
    if (HasDone("transfer", pod, key, fence, fence + 1, to)) return "OK";
    auto answer = Checkpoint(pod, key, fence);
    if (answer != "OK") return answer;
    if (!living[to]) return reason::kPodNotFound;
    if (to != pod) {
      Give(items[key], to);
      items[key].deeds.insert({"transfer", pod, fence, to});
    }
    return "OK";
  }

  std::string_view ReleaseQuarantined(const std::string& key, uint64_t fence) {
    auto item = items.find(key);
    if (item == items.end()) return reason::kWorkNotFound;
    const bool orphan = item->second.state == WorkState::kOwned && !living[item->second.owner];
    if ((!IsNobodys(item->second) && !orphan) || item->second.fence != fence) {
      return reason::kFenced;
    }
    if (item->second.state != WorkState::kReleased) {
      item->second.state = WorkState::kReleased;
      item->second.adoptions = 0;
    }
    return "OK";
  }

  // `owner` is nobody when it is not a pod.
  std::string_view Claim(size_t pod, const std::string& key, size_t owner, uint64_t fence) {
    if (!living[pod]) return reason::kIncarnationEnded;
    auto found = items.find(key);
    if (found == items.end()) return reason::kWorkNotFound;
    ModelItem& item = found->second;
    if (item.state == WorkState::kCompleted) return reason::kWorkCompleted;
    if (item.state == WorkState::kQuarantined) return "QUARANTINED";
    bool owned = item.state == WorkState::kOwned;
    bool as_expected = item.fence == fence && (owned ? item.owner == owner : !IsPod(owner));
    if (as_expected && owned && living[owner]) return reason::kOwnerAlive;
    if (as_expected) return Adopt(item, pod) ? "CLAIMED" : "QUARANTINED";
    bool won_already = owned && item.owner == pod && item.fence == fence + 1 && owner != pod;
    return won_already ? "CLAIMED" : "LOST";
  }

  size_t ClaimOrphans(size_t pod, size_t limit) {
    size_t claimed = 0;
    size_t looked_at = 0;
    for (auto& [key, item] : items) {
      bool orphan = item.state == WorkState::kOwned && !living[item.owner];
      if (looked_at == limit || (!orphan && item.state != WorkState::kReleased)) continue;
      ++looked_at;
      if (Adopt(item, pod)) ++claimed;
    }
    return claimed;
  }

  size_t Completed() const {
    return std::ranges::count_if(
        items, [](const auto& entry) { return entry.second.state == WorkState::kCompleted; });
  }

  bool IsPod(size_t pod) const { return pod < living.size(); }

  static bool IsNobodys(const ModelItem& item) {
    return item.state == WorkState::kReleased || item.state == WorkState::kQuarantined;
  }

 private:
  // A living pod did so with this fence, and the item has the fence that it has after that.
  bool HasDone(const std::string& deed, size_t pod, const std::string& key, uint64_t fence,
               uint64_t fence_after, size_t to = 0) const {
    const auto item = items.find(key);
    return living[pod] && item != items.end() && item->second.fence == fence_after &&
           item->second.deeds.contains({deed, pod, fence, to});
  }

  static void Give(ModelItem& item, size_t pod) {
    item.state = WorkState::kOwned;
    item.owner = pod;
    ++item.fence;
  }

  // Every pod that ends here dies. False: it was quarantined instead.
  static bool Adopt(ModelItem& item, size_t pod) {
    const bool from_the_dead = item.state == WorkState::kOwned;
    if (from_the_dead && item.adoptions == kAdoptions) {
      item.state = WorkState::kQuarantined;
      return false;
    }
    if (from_the_dead) ++item.adoptions;
    Give(item, pod);
    return true;
  }

  static void CountFailure(ModelItem& item) {
    const bool too_often = item.adoptions == kAdoptions;
    item.state = too_often ? WorkState::kQuarantined : WorkState::kReleased;
    if (!too_often) ++item.adoptions;
  }

  std::string_view Refusal(size_t pod, const std::string& key, uint64_t fence) {
    auto item = items.find(key);
    if (!living[pod]) {
      bool overtaken = item != items.end() && item->second.fence > fence;
      return overtaken ? reason::kFenced : reason::kIncarnationEnded;
    }
    if (item == items.end()) return reason::kWorkNotFound;
    bool its_own = !IsNobodys(item->second) && item->second.owner == pod;
    return its_own && item->second.fence == fence ? "OK" : reason::kFenced;
  }
};

std::string_view OutcomeOf(const Result<StartedWork>& result) {
  if (!result) return ReasonOf(result);
  switch (result->outcome) {
    case StartOutcome::kStarted:
      return "STARTED";
    case StartOutcome::kOwned:
      return "OWNED";
    case StartOutcome::kOrphaned:
      return "ORPHANED";
    case StartOutcome::kCompleted:
      return "COMPLETED";
    case StartOutcome::kReleased:
      return "RELEASED";
    case StartOutcome::kQuarantined:
      return "QUARANTINED";
  }
  return "";
}

std::string_view OutcomeOf(const Result<ClaimedWork>& result) {
  if (!result) return ReasonOf(result);
  switch (result->outcome) {
    case ClaimOutcome::kClaimed:
      return "CLAIMED";
    case ClaimOutcome::kLost:
      return "LOST";
    case ClaimOutcome::kReserved:
      return "RESERVED";
    case ClaimOutcome::kQuarantined:
      return "QUARANTINED";
  }
  return "";
}

// A walk of random steps, each done to the store and to the model.
class FenceTest : public StoreTest {
 protected:
  void Walk(Host& host, uint32_t seed);
  size_t Pick(size_t below) { return random_() % below; }
  void AddPod(Host& host);
  void Step(Host& host);
  void Change(size_t pod, const std::string& key);
  void TransferOne(const WorkHolder& holder, size_t pod);
  void ReleaseQuarantined(const std::string& key);
  void StartOne(size_t pod, const std::string& key);
  void ClaimOne(size_t pod, const std::string& key);
  void Expect(std::string_view outcome, std::string_view modelled);
  void ExpectAsModelled(const std::string& key);

  std::mt19937 random_;
  size_t completed_ = 0;
  WorkModel model_;
  std::vector<Pod> pods_;
  std::map<std::string, Fence> highest_;
  std::set<std::string_view> seen_;
};

VIGIL_FOR_EVERY_STORE(FenceTest);

void FenceTest::AddPod(Host& host) {
  pods_.push_back(Register(host, "pod-" + std::to_string(pods_.size())));
  model_.living.push_back(true);
}

void FenceTest::Walk(Host& host, uint32_t seed) {
  random_.seed(seed);
  for (int i = 0; i < 3; ++i) AddPod(host);
  for (int step = 0; step < kSteps && !HasFailure(); ++step) {
    SCOPED_TRACE("seed " + std::to_string(seed) + ", step " + std::to_string(step));
    Step(host);
  }
}

void FenceTest::Step(Host& host) {
  // One of the latest, of which most live.
  size_t pod = pods_.size() - 1 - Pick(std::min<size_t>(pods_.size(), 5));
  // Completed items stay in reach for a while.
  std::string key = "item-" + std::to_string(completed_ * 2 / 3 + Pick(kItemsAtOnce));
  switch (Pick(11)) {
    case 0:
      if (model_.living[pod]) {
        Kill(pods_[pod]);
        model_.living[pod] = false;
        AddPod(host);
      }
      break;
    case 1:
      if (model_.living[pod]) {
        size_t limit = 1 + Pick(2);
        auto claimed = Must(store().ClaimOrphans(AnyOrphans(pods_[pod].incarnation, limit)));
        EXPECT_EQ(claimed.size(), model_.ClaimOrphans(pod, limit));
        for (const WorkItem& item : claimed) ExpectAsModelled(item.key);
      }
      break;
    case 2:
    case 3:
      StartOne(pod, key);
      break;
    case 4:
    case 5:
    case 6:
      ClaimOne(pod, key);
      break;
    case 7:
      ReleaseQuarantined(key);
      break;
    default:
      Change(pod, key);
      break;
  }
  if (model_.items.contains(key)) ExpectAsModelled(key);
}

// By the owner, or by another; with the right fence, or one beside it.
void FenceTest::Change(size_t pod, const std::string& key) {
  auto item = model_.items.find(key);
  uint64_t fence = 1;
  if (item != model_.items.end()) {
    fence = item->second.fence;
    if (Pick(3) > 0) pod = item->second.owner;
    if (Pick(4) == 0) fence += Pick(3) - 1;
  }
  WorkHolder holder{kNs, key, pods_[pod].incarnation, Fence{fence}};
  switch (Pick(8)) {
    case 0:
      Expect(ReasonOf(store().CompleteWork(holder, "")), model_.Complete(pod, key, fence));
      completed_ = model_.Completed();
      break;
    case 1:
    case 2:
      Expect(ReasonOf(store().CheckpointWork(holder, "", {})), model_.Checkpoint(pod, key, fence));
      break;
    case 3:
    case 4:
      Expect(ReasonOf(store().FailWork(holder, "x")), model_.Fail(pod, key, fence));
      break;
    case 5:
      TransferOne(holder, pod);
      break;
    default:
      Expect(ReasonOf(store().ReleaseWork(holder)), model_.Release(pod, key, fence));
      break;
  }
}

// To one of the latest or to any, which may have ended or be the caller itself.
void FenceTest::TransferOne(const WorkHolder& holder, size_t pod) {
  const size_t most = Pick(3) == 0 ? pods_.size() : 5;
  const size_t to = pods_.size() - 1 - Pick(std::min(pods_.size(), most));
  const uint64_t before = model_.items.contains(holder.key) ? model_.items[holder.key].fence : 0;
  const auto given = store().TransferWork(holder, pods_[to].name);
  Expect(ReasonOf(given), model_.Transfer(pod, holder.key, holder.fence.value, to));
  if (given) NoteTransfer({.fence = Fence{before}}, *given);
}

// With its fence, or the one before.
void FenceTest::ReleaseQuarantined(const std::string& key) {
  uint64_t fence = model_.items.contains(key) ? model_.items[key].fence : 1;
  if (Pick(4) == 0) --fence;
  Expect(ReasonOf(store().ReleaseQuarantined(kNs, key, Fence{fence})),
         model_.ReleaseQuarantined(key, fence));
}

void FenceTest::StartOne(size_t pod, const std::string& key) {
  NewWork work = NewItem(key, pods_[pod].incarnation);
  work.traits.max_adoptions = kAdoptions;
  Expect(OutcomeOf(store().StartWork(work)), model_.Start(pod, key));
}

// From its owner, from another or from nobody; with the right fence, or one beside it.
void FenceTest::ClaimOne(size_t pod, const std::string& key) {
  size_t owner = pods_.size();
  uint64_t fence = 1;
  auto item = model_.items.find(key);
  if (item != model_.items.end()) {
    fence = item->second.fence;
    if (!WorkModel::IsNobodys(item->second)) owner = item->second.owner;
    if (Pick(4) == 0) fence -= Pick(2);
    if (Pick(4) == 0) owner = Pick(pods_.size() + 1);
  }
  Incarnation expected_owner = model_.IsPod(owner) ? pods_[owner].incarnation : Incarnation{};
  Expect(OutcomeOf(store().ClaimWork({.ns = kNs,
                                      .key = key,
                                      .claimant = pods_[pod].incarnation,
                                      .expected_owner = expected_owner,
                                      .expected_fence = Fence{fence}})),
         model_.Claim(pod, key, owner, fence));
}

void FenceTest::Expect(std::string_view outcome, std::string_view modelled) {
  EXPECT_EQ(outcome, modelled);
  seen_.insert(outcome);
}

void FenceTest::ExpectAsModelled(const std::string& key) {
  const ModelItem& expected = model_.items.at(key);
  WorkItem item = Must(store().GetWork(kNs, key));
  EXPECT_EQ(item.state, expected.state);
  EXPECT_EQ(item.fence, Fence{expected.fence});
  EXPECT_GE(item.fence, highest_[key]);
  EXPECT_LE(item.fence.value, highest_[key].value + 1);
  highest_[key] = item.fence;
  EXPECT_EQ(item.adoptions, expected.adoptions);
  const bool nobodys = WorkModel::IsNobodys(expected);
  EXPECT_EQ(item.owner, nobodys ? Incarnation{} : pods_[expected.owner].incarnation);
}

TEST_P(FenceTest, Fence_OnlyGrows) {  // P5, P6
  Host host = AddHost();
  for (uint32_t seed : {1U, 2U, 3U}) Walk(host, seed);
  for (const auto& [key, item] : model_.items) ExpectAsModelled(key);
  EXPECT_THAT(seen_, ::testing::UnorderedElementsAre(
                         "STARTED", "OWNED", "ORPHANED", "COMPLETED", "CLAIMED", "LOST", "OK",
                         "QUARANTINED", reason::kOwnerAlive, reason::kPodNotFound, reason::kFenced,
                         reason::kWorkCompleted, reason::kWorkNotFound, reason::kIncarnationEnded))
      << "the walk comes by everything";
}

}  // namespace
}  // namespace vigil
