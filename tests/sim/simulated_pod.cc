#include "sim/simulated_pod.h"

#include <algorithm>
#include <utility>

#include "core/errors.h"

namespace vigil::sim {
namespace {

constexpr size_t kMostItems = 3;
constexpr Duration kBetweenSteps = std::chrono::milliseconds(700);
constexpr Duration kBetweenLives = std::chrono::milliseconds(500);
constexpr uint32_t kPage = 8;
constexpr Duration kShortestStickyWait = std::chrono::seconds(1);
constexpr Duration kLongestStickyWait = std::chrono::seconds(5);

}  // namespace

SimulatedPod::SimulatedPod(Place place)
    : place_(std::move(place)),
      machine_(place_.time, place_.wanted.name, place_.chance.For(0)),
      site_{place_.time, machine_, place_.around, place_.place},
      chance_(place_.chance.For(1)),
      follower_(site_, place_.place % place_.around.addresses(), place_.chance.For(2),
                {[this](const auto& events) { Heard(events); }, place_.on_subscription}) {
  Begin();
  WorkRegularly();
}

const PodLife* SimulatedPod::LifeOf(Incarnation incarnation) const {
  if (machine_.dead() || !life_ || life_->incarnation() != incarnation) return nullptr;
  return life_.get();
}

void SimulatedPod::Kill() {
  follower_.Break();
  machine_.Kill();
}

void SimulatedPod::Begin() {
  if (hung_) {
    life_timer_ = machine_.After(kBetweenLives, [this] { Begin(); });
    return;
  }
  life_ = std::make_unique<PodLife>(
      site_,
      PodLife::Options{.name = place_.wanted.name,
                       .profile = place_.wanted.profile,
                       .lease = place_.wanted.lease,
                       .labels = place_.wanted.labels,
                       .supersede_key = place_.wanted.supersede_key,
                       .watchdog = place_.wanted.watchdog,
                       .first_address = chance_.Below(place_.around.addresses())},
      place_.chance.For(100 + ++lives_), [this] { Changed(); });
}

// Called from inside of the life, which must not end there.
void SimulatedPod::Changed() {
  const auto state = life_->state();
  const bool over = leaving_
                        ? life_->farewell_over()
                        : state == client::SelfState::kLost || state == client::SelfState::kRefused;
  if (!over || std::exchange(settling_, true)) return;
  if (state == client::SelfState::kLost) place_.on_lost(*this);
  held_.clear();
  life_timer_ = machine_.After(Duration::zero(), [this] { Settle(); });
}

void SimulatedPod::Settle() {
  const bool superseded = life_->Superseded();
  life_.reset();
  settling_ = false;
  if (superseded) return Kill();  // to begin anew would take the name back
  if (leaving_) {
    gone_ = true;
    work_timer_.reset();
    return;
  }
  life_timer_ = machine_.After(kBetweenLives, [this] { Begin(); });
}

void SimulatedPod::Leave() {
  if (machine_.dead() || leaving_ || !life_ || settling_ || hung_) return;
  leaving_ = true;
  held_.clear();
  machine_.Post([this] {
    if (life_) life_->Leave();
  });
}

// --- Work

bool SimulatedPod::Working() {
  if (!life_ || leaving_ || settling_ || hung_) return false;
  if (life_->Ask().alive()) return true;
  held_.clear();
  return false;
}

void SimulatedPod::WorkRegularly() {
  work_timer_ = machine_.After(chance_.Between(kBetweenSteps / 2, kBetweenSteps * 3 / 2), [this] {
    WorkRegularly();
    if (life_ && !hung_) life_->Feed();
    if (!Working()) return;
    if (held_.size() < kMostItems && chance_.OneIn(3)) Start();
    if (chance_.OneIn(5)) Sweep();
    if (chance_.OneIn(20)) ReleaseSomeQuarantined();
    if (held_.empty()) return;
    auto item = held_.begin();
    std::advance(item, chance_.Below(static_cast<int>(held_.size())));
    const std::string key = item->first;
    if (chance_.OneIn(8)) {
      Finish(key);
    } else {
      GoOn(key);
    }
  });
}

template <typename T>
void SimulatedPod::Call(std::function<Result<T>(Store&)> work, Then<T> then) {
  const int hosted_by = life_->address();
  const int address = chance_.OneIn(4) ? chance_.Below(place_.around.addresses()) : hosted_by;
  Path& path = place_.around.PathOf(place_.place, address);
  const uint64_t life = lives_;
  const auto answer = [this, &path, life, then = std::move(then)](Result<T> outcome) {
    path.Carry(kToPod, [this, life, then, outcome = std::move(outcome)] {
      machine_.Arrive(place_.time.Now(), [this, life, then, outcome] {
        if (lives_ == life && Working()) then(outcome);
      });
    });
  };
  path.Carry(kToCoordinator, [this, address, work = std::move(work), answer] {
    SimulatedCoordinator* host = place_.around.At(address);
    if (!host) return;
    host->machine().Arrive(place_.time.Now(),
                           [host, work, answer] { host->Request<T>(work, answer); });
  });
}

// Few adoptions, so that some items come to their end of them.
WorkTraits SimulatedPod::DrawTraits() {
  WorkTraits traits{.max_adoptions = 1 + static_cast<uint32_t>(chance_.Below(4))};
  switch (chance_.Below(4)) {
    case 0:
      traits.policy = RecoveryPolicy::kSticky;
      traits.sticky_wait = chance_.Between(kShortestStickyWait, kLongestStickyWait);
      break;
    case 1:
      traits.policy = RecoveryPolicy::kAssign;
      if (!chance_.OneIn(3)) traits.selector = {{"side", chance_.OneIn(2) ? "left" : "right"}};
      break;
    default:
      break;
  }
  return traits;
}

void SimulatedPod::Start() {
  const NewWork work{.ns = kNamespace,
                     .key = name() + "/" + std::to_string(++started_),
                     .starter = life_->incarnation(),
                     .payload = "payload",
                     .traits = DrawTraits(),
                     .request_id = "start-" + std::to_string(chance_.Draw())};
  place_.on_request({.kind = WorkRequest::Kind::kStart, .key = work.key, .caller = work.starter});
  Call<StartedWork>([work](Store& store) { return store.StartWork(work); },
                    [this](const Result<StartedWork>& started) {
                      if (!started) return;
                      const auto outcome = started->outcome;
                      const bool its_own = started->item.owner == life_->incarnation();
                      if (its_own && outcome != StartOutcome::kCompleted) {
                        Took(started->item.key, started->item.fence);
                      }
                    });
}

// Told late, it may have a lower fence than is known already.
void SimulatedPod::Took(const std::string& key, Fence fence) {
  Fence& held = held_[key];
  held = std::max(held, fence);
}

void SimulatedPod::GoOn(const std::string& key) {
  const Fence fence = held_.at(key);
  const WorkHolder holder{kNamespace, key, life_->incarnation(), fence};
  // Says who worked.
  const std::string checkpoint =
      std::to_string(holder.incarnation.value) + "/" + std::to_string(++steps_);
  Call<WorkItem>(
      [holder, checkpoint, number = steps_](Store& store) {
        return store.CheckpointWork(holder, checkpoint, number);
      },
      [this, key, fence](const Result<WorkItem>& done) {
        const auto found = held_.find(key);
        if (found == held_.end() || found->second != fence || done) return;
        if (done.error().Is(reason::kFenced) || done.error().Is(reason::kWorkCompleted)) {
          held_.erase(found);
        }
      });
}

void SimulatedPod::Finish(const std::string& key) {
  using Kind = WorkRequest::Kind;
  const WorkHolder holder{kNamespace, key, life_->incarnation(), held_.at(key)};
  held_.erase(key);
  const auto answered = [](const Result<WorkItem>&) {};
  const int how = chance_.Below(8);
  if (how == 0) {
    place_.on_request({Kind::kFail, key, holder.incarnation, holder.fence, {}});
    Call<WorkItem>([holder](Store& store) { return store.FailWork(holder, "no luck"); }, answered);
  } else if (how == 1 && !neighbour_.empty()) {
    place_.on_request({Kind::kTransfer, key, holder.incarnation, holder.fence, neighbour_});
    Call<WorkItem>(
        [holder, to = neighbour_](Store& store) { return store.TransferWork(holder, to); },
        answered);
  } else {
    const bool release = how < 4;
    Call<WorkItem>(
        [holder, release](Store& store) {
          return release ? store.ReleaseWork(holder) : store.CompleteWork(holder, "result");
        },
        answered);
  }
}

void SimulatedPod::ReleaseSomeQuarantined() {
  Call<WorkPage>(
      [](Store& store) { return store.ListWork(kNamespace, {.quarantined_only = true}, "", 1); },
      [this](const Result<WorkPage>& page) {
        if (!page || page->items.empty()) return;
        Call<WorkItem>(
            [item = page->items.front()](Store& store) {
              return store.ReleaseQuarantined(kNamespace, item.key, item.fence);
            },
            [](const Result<WorkItem>&) {});
      });
}

// --- What others left

void SimulatedPod::Heard(const std::vector<Event>& events) {
  for (const Event& event : events) {
    const bool ended = event.kind == EventKind::kPodDied || event.kind == EventKind::kPodLeft;
    if (ended && event.orphans > 0) Sweep();
    if (event.kind == EventKind::kPodRegistered && event.pod_name != name()) {
      neighbour_ = event.pod_name;
    }
    // Assigned, or given by its owner.
    const bool given = event.kind == EventKind::kWorkClaimed && Working() &&
                       event.incarnation == life_->incarnation();
    if (given) Took(event.work_key, event.fence);
  }
}

void SimulatedPod::Sweep() {
  if (!Working()) return;
  if (chance_.OneIn(2)) {
    Call<std::vector<WorkItem>>(
        [incarnation = life_->incarnation(),
         request = "sweep-" + std::to_string(chance_.Draw())](Store& store) {
          return store.ClaimOrphans(
              {.ns = kNamespace, .claimant = incarnation, .limit = kPage, .request_id = request});
        },
        [this](const Result<std::vector<WorkItem>>& claimed) {
          if (!claimed) return;
          for (const WorkItem& item : *claimed) Took(item.key, item.fence);
        });
    return;
  }
  Call<WorkPage>(
      [](Store& store) { return store.ListWork(kNamespace, {.claimable_only = true}, "", kPage); },
      [this](const Result<WorkPage>& page) {
        if (!page) return;
        for (const WorkItem& item : page->items) Claim(item);
      });
}

void SimulatedPod::Claim(const WorkItem& item) {
  const WorkClaim claim{.ns = kNamespace,
                        .key = item.key,
                        .claimant = life_->incarnation(),
                        .expected_owner = item.owner,
                        .expected_fence = item.fence};
  Call<ClaimedWork>([claim](Store& store) { return store.ClaimWork(claim); },
                    [this](const Result<ClaimedWork>& claimed) {
                      if (claimed && claimed->outcome == ClaimOutcome::kClaimed) {
                        Took(claimed->item.key, claimed->item.fence);
                      }
                    });
}

}  // namespace vigil::sim
