// Work items: who owns them, and how they change hands.
#include "core/validate.h"
#include "store/memory/memory_store.h"

namespace vigil::memory {
namespace {

Result<PodRow*> RequireLiving(Transaction& tx, const std::string& ns, Incarnation incarnation) {
  PodRow* row = tx.FindPod(ns, incarnation);
  if (row == nullptr) return Fail(PodNotFound(std::to_string(incarnation.value)));
  if (!row->pod.living()) {
    return Fail(IncarnationEnded(incarnation, row->pod.state, row->pod.cause));
  }
  return row;
}

WorkItem* FindItem(NamespaceRow& space, const std::string& key) {
  auto item = space.work.find(key);
  return item == space.work.end() ? nullptr : &item->second;
}

bool IsOrphan(const NamespaceRow& space, const WorkItem& item) {
  return item.state == WorkState::kOwned && !space.pods.at(item.owner).pod.living();
}

bool IsClaimable(const NamespaceRow& space, const WorkItem& item) {
  return item.state == WorkState::kReleased || IsOrphan(space, item);
}

void GiveTo(Transaction& tx, const Pod& owner, WorkItem& item) {
  Incarnation previous_owner = std::exchange(item.owner, owner.incarnation);
  item.state = WorkState::kOwned;
  ++item.fence.value;
  item.updated_at = tx.now();
  Event& event = tx.Append(EventKind::kWorkClaimed, owner);
  event.work_key = item.key;
  event.fence = item.fence;
  event.previous_owner = previous_owner;
}

// A living caller and the item that it names, which it need not own.
struct Named {
  PodRow& holder;
  NamespaceRow& space;
  WorkItem& item;
};

Result<Named> RequireItem(Transaction& tx, const WorkHolder& holder) {
  auto row = RequireLiving(tx, holder.ns, holder.incarnation);
  if (!row && !row.error().Is(reason::kIncarnationEnded)) return Fail(row.error());
  NamespaceRow& space = *tx.FindNamespace(holder.ns);
  WorkItem* item = FindItem(space, holder.key);
  if (!row) {
    // Who has it now is of more use to the dead than that they are dead.
    const bool overtaken = item != nullptr && item->fence > holder.fence;
    return Fail(overtaken ? Fenced(item->key, item->owner, item->fence) : row.error());
  }
  if (item == nullptr) return Fail(WorkNotFound(holder.key));
  return Named{**row, space, *item};
}

bool IsHeldBy(const WorkItem& item, const WorkHolder& holder) {
  return item.owner == holder.incarnation && item.fence == holder.fence;
}

Failure FailFenced(const WorkItem& item) { return Fail(Fenced(item.key, item.owner, item.fence)); }

void AppendChange(Transaction& tx, EventKind kind, const Pod& pod, const WorkItem& item) {
  Event& event = tx.Append(kind, pod);
  event.work_key = item.key;
  event.fence = item.fence;
}

}  // namespace

WorkItem Shown(const NamespaceRow& space, const WorkItem& item) {
  WorkItem shown = item;
  shown.orphan = IsOrphan(space, item);
  if (item.owner) shown.owner_name = space.pods.at(item.owner).pod.name;
  return shown;
}

Result<StartedWork> MemoryStore::StartWork(const std::string& ns, const std::string& key,
                                           Incarnation incarnation, const std::string& payload) {
  return Change<StartedWork>([&](Transaction& tx) -> Result<StartedWork> {
    auto starter = RequireLiving(tx, ns, incarnation);
    if (!starter) return Fail(starter.error());
    NamespaceRow& space = *tx.FindNamespace(ns);
    WorkItem* item = FindItem(space, key);
    auto outcome = StartOutcome::kStarted;
    if (item == nullptr) {
      item = &space.work[key];
      *item = WorkItem{.ns = ns,
                       .key = key,
                       .owner = incarnation,
                       .fence = Fence{space.fence_floor.value + 1},
                       .payload = payload,
                       .started_at = tx.now(),
                       .updated_at = tx.now()};
    } else if (item->state == WorkState::kReleased) {
      GiveTo(tx, (*starter)->pod, *item);
    } else if (item->state == WorkState::kCompleted) {
      outcome = StartOutcome::kCompleted;
    } else if (item->owner != incarnation) {
      outcome = IsOrphan(space, *item) ? StartOutcome::kOrphaned : StartOutcome::kOwned;
    }
    return StartedWork{outcome, Shown(space, *item)};
  });
}

Result<WorkItem> MemoryStore::CheckpointWork(const WorkHolder& holder,
                                             const std::string& checkpoint) {
  return Change<WorkItem>([&](Transaction& tx) -> Result<WorkItem> {
    auto held = RequireItem(tx, holder);
    if (!held) return Fail(held.error());
    WorkItem& item = held->item;
    if (!IsHeldBy(item, holder)) return FailFenced(item);
    if (item.state == WorkState::kCompleted) return Fail(WorkCompleted(item.key));
    item.checkpoint = checkpoint;
    item.updated_at = tx.now();
    return Shown(held->space, item);
  });
}

Result<WorkItem> MemoryStore::CompleteWork(const WorkHolder& holder, const std::string& result) {
  return Change<WorkItem>([&](Transaction& tx) -> Result<WorkItem> {
    auto held = RequireItem(tx, holder);
    if (!held) return Fail(held.error());
    WorkItem& item = held->item;
    if (!IsHeldBy(item, holder)) return FailFenced(item);
    if (item.state != WorkState::kCompleted) {
      item.state = WorkState::kCompleted;
      item.result = result;
      item.updated_at = tx.now();
      AppendChange(tx, EventKind::kWorkCompleted, held->holder.pod, item);
    }
    return Shown(held->space, item);
  });
}

Result<WorkItem> MemoryStore::ReleaseWork(const WorkHolder& holder) {
  return Change<WorkItem>([&](Transaction& tx) -> Result<WorkItem> {
    auto held = RequireItem(tx, holder);
    if (!held) return Fail(held.error());
    WorkItem& item = held->item;
    // A released item has no owner, so a repetition is known by the fence alone.
    bool repeated = item.state == WorkState::kReleased && item.fence == holder.fence;
    if (!repeated) {
      if (!IsHeldBy(item, holder)) return FailFenced(item);
      if (item.state == WorkState::kCompleted) return Fail(WorkCompleted(item.key));
      item.state = WorkState::kReleased;
      item.owner = {};
      item.updated_at = tx.now();
      AppendChange(tx, EventKind::kWorkReleased, held->holder.pod, item);
    }
    return Shown(held->space, item);
  });
}

Result<ClaimedWork> MemoryStore::ClaimWork(const WorkClaim& claim) {
  return Change<ClaimedWork>([&](Transaction& tx) -> Result<ClaimedWork> {
    auto claimant = RequireLiving(tx, claim.ns, claim.claimant);
    if (!claimant) return Fail(claimant.error());
    NamespaceRow& space = *tx.FindNamespace(claim.ns);
    WorkItem* item = FindItem(space, claim.key);
    if (item == nullptr) return Fail(WorkNotFound(claim.key));
    if (item->state == WorkState::kCompleted) return Fail(WorkCompleted(claim.key));

    auto outcome = ClaimOutcome::kClaimed;
    bool won_already = item->owner == claim.claimant && item->owner != claim.expected_owner &&
                       item->fence.value == claim.expected_fence.value + 1;
    if (item->owner == claim.expected_owner && item->fence == claim.expected_fence) {
      if (!IsClaimable(space, *item)) {
        return Fail(OwnerAlive(item->key, item->owner, item->fence));
      }
      GiveTo(tx, (*claimant)->pod, *item);
    } else if (!won_already) {
      outcome = ClaimOutcome::kLost;
    }
    return ClaimedWork{outcome, Shown(space, *item)};
  });
}

Result<std::vector<WorkItem>> MemoryStore::ClaimOrphans(const std::string& ns, Incarnation claimant,
                                                        uint32_t limit) {
  using Items = std::vector<WorkItem>;
  return Change<Items>([&](Transaction& tx) -> Result<Items> {
    auto row = RequireLiving(tx, ns, claimant);
    if (!row) return Fail(row.error());
    NamespaceRow& space = *tx.FindNamespace(ns);
    Items claimed;
    size_t bytes = 0;
    for (auto& [key, item] : space.work) {
      if (claimed.size() == limit) break;
      if (!IsClaimable(space, item)) continue;
      bytes += BytesOf(item);
      if (!claimed.empty() && bytes > kLargestAnswer) break;
      GiveTo(tx, (*row)->pod, item);
      claimed.push_back(Shown(space, item));
    }
    return claimed;
  });
}

Result<WorkItem> MemoryStore::GetWork(const std::string& ns, const std::string& key) {
  return Read<WorkItem>([&](Transaction& tx) -> Result<WorkItem> {
    NamespaceRow* space = tx.FindNamespace(ns);
    WorkItem* item = space == nullptr ? nullptr : FindItem(*space, key);
    if (item == nullptr) return Fail(WorkNotFound(key));
    return Shown(*space, *item);
  });
}

Result<WorkPage> MemoryStore::ListWork(const std::string& ns, const WorkFilter& filter,
                                       const std::string& after, uint32_t limit) {
  return Read<WorkPage>([&](Transaction& tx) -> Result<WorkPage> {
    WorkPage page;
    NamespaceRow* space = tx.FindNamespace(ns);
    if (space == nullptr) return page;
    size_t bytes = 0;
    for (auto it = space->work.upper_bound(after); it != space->work.end(); ++it) {
      const WorkItem& item = it->second;
      if (filter.owner && item.owner != filter.owner) continue;
      if (filter.claimable_only && !IsClaimable(*space, item)) continue;
      if (!filter.include_completed && item.state == WorkState::kCompleted) continue;
      bytes += BytesOf(item);
      page.more = page.items.size() == limit || (!page.items.empty() && bytes > kLargestAnswer);
      if (page.more) break;
      page.items.push_back(Shown(*space, item));
    }
    return page;
  });
}

}  // namespace vigil::memory
