#include "store/memory/work_rows.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/errors.h"
#include "core/labels.h"

namespace vigil::memory {
namespace {

WallMicros After(WallMicros time, Duration wait) {
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(wait).count();
  return {time.value + static_cast<uint64_t>(micros)};
}

const Pod& OwnerOf(const NamespaceRow& space, const WorkItem& item) {
  return space.pods.at(item.owner).pod;
}

}  // namespace

Result<PodRow*> RequireLiving(Transaction& tx, const std::string& ns, Incarnation incarnation) {
  PodRow* row = tx.FindPod(ns, incarnation);
  if (row == nullptr) return Fail(PodNotFound(std::to_string(incarnation.value)));
  if (!row->pod.living()) {
    return Fail(IncarnationEnded(incarnation, row->pod.state, row->pod.cause));
  }
  return row;
}

WorkRow* FindWork(NamespaceRow& space, const std::string& key) {
  auto row = space.work.find(key);
  return row == space.work.end() ? nullptr : &row->second;
}

WorkItem Shown(const NamespaceRow& space, const WorkRow& row) {
  WorkItem shown = row.item;
  shown.orphan = IsOrphan(space, row.item);
  if (shown.owner) shown.owner_name = OwnerOf(space, shown).name;
  return shown;
}

bool IsOrphan(const NamespaceRow& space, const WorkItem& item) {
  return item.state == WorkState::kOwned && !OwnerOf(space, item).living();
}

bool IsClaimable(const NamespaceRow& space, const WorkItem& item) {
  return item.state == WorkState::kReleased || IsOrphan(space, item);
}

bool Passes(const WorkChoice& choice, const WorkTraits& traits) {
  const bool of_a_kind =
      choice.kinds.empty() || std::ranges::find(choice.kinds, traits.kind) != choice.kinds.end();
  return of_a_kind && HasAll(traits.labels, choice.labels);
}

bool MayHave(const Transaction& tx, const NamespaceRow& space, const WorkItem& item,
             const Pod& pod) {
  const WorkTraits& traits = item.traits;
  switch (traits.policy) {
    case RecoveryPolicy::kCompete:
      return true;
    case RecoveryPolicy::kAssign:
      return HasAll(pod.labels, traits.selector);
    case RecoveryPolicy::kSticky:
      break;
  }
  if (!item.owner) return true;
  const Pod& last = OwnerOf(space, item);
  return last.name == pod.name || After(last.ended_at, traits.sticky_wait) <= tx.now();
}

bool IsAdoptedTooOften(const NamespaceRow& space, const WorkRow& row) {
  if (!IsOrphan(space, row.item)) return false;
  const Pod& last = OwnerOf(space, row.item);
  return last.state == PodState::kDead &&
         AdoptionsUntil(row, last.ended_at) >= row.item.traits.max_adoptions;
}

bool Remembers(const std::vector<std::string>& requests, const std::string& request_id) {
  return !request_id.empty() && std::ranges::find(requests, request_id) != requests.end();
}

void Remember(std::vector<std::string>& requests, const std::string& request_id) {
  if (request_id.empty()) return;
  requests.push_back(request_id);
  if (requests.size() > kRememberedRequests) requests.erase(requests.begin());
}

uint32_t AdoptionsUntil(const WorkRow& row, WallMicros end) {
  const Duration is_long = row.checkpointed ? kLongOwnership : kLongIdleOwnership;
  return After(row.owned_at, is_long) <= end ? 0 : row.item.adoptions;
}

void AddFormerOwner(WorkItem& item, FormerOwner owner) {
  auto& owners = item.former_owners;
  owners.push_back(std::move(owner));
  if (owners.size() > kRememberedOwners) owners.erase(owners.begin());
}

void CountEnd(const NamespaceRow& space, WorkRow& row) {
  const Pod& ended = OwnerOf(space, row.item);
  row.item.adoptions = AdoptionsUntil(row, ended.ended_at);
  AddFormerOwner(row.item, {.incarnation = ended.incarnation,
                            .name = ended.name,
                            .fence = row.item.fence,
                            .cause = ended.cause,
                            .at = ended.ended_at});
}

void GiveTo(Transaction& tx, const Pod& owner, WorkRow& row) {
  WorkItem& item = row.item;
  const Incarnation previous_owner = std::exchange(item.owner, owner.incarnation);
  item.state = WorkState::kOwned;
  ++item.fence.value;
  item.updated_at = tx.now();
  row.owned_at = tx.now();
  row.checkpoint_number = 0;
  row.checkpointed = false;
  Event& event = tx.Append(EventKind::kWorkClaimed, owner);
  event.work_key = item.key;
  event.fence = item.fence;
  event.previous_owner = previous_owner;
}

void Adopt(Transaction& tx, const NamespaceRow& space, const Pod& owner, WorkRow& row) {
  if (IsOrphan(space, row.item)) {
    const bool from_the_dead = OwnerOf(space, row.item).state == PodState::kDead;
    CountEnd(space, row);
    if (from_the_dead) ++row.item.adoptions;
  }
  GiveTo(tx, owner, row);
}

void Quarantine(Transaction& tx, const NamespaceRow& space, WorkRow& row) {
  WorkItem& item = row.item;
  const Pod& last = OwnerOf(space, item);
  CountEnd(space, row);
  item.state = WorkState::kQuarantined;
  item.owner = {};
  item.updated_at = tx.now();
  Event& event = tx.Append(EventKind::kWorkQuarantined, last, last.cause);
  event.work_key = item.key;
  event.fence = item.fence;
}

}  // namespace vigil::memory
