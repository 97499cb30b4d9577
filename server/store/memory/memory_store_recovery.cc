// How work items go from those that have ended to those that live.
#include <algorithm>

#include "core/errors.h"
#include "core/validate.h"
#include "store/memory/memory_store.h"
#include "store/memory/work_rows.h"

namespace vigil::memory {
namespace {

using Items = std::vector<WorkItem>;

// Of the items that this request has claimed, those that the claimant still owns.
Items StillOwned(const NamespaceRow& space, const OrphansClaim& claim) {
  Items owned;
  for (const auto& [key, row] : space.work) {
    const WorkItem& item = row.item;
    const bool its_own = item.state == WorkState::kOwned && item.owner == claim.claimant;
    if (its_own && Remembers(row.requests, claim.request_id)) owned.push_back(Shown(space, row));
  }
  return owned;
}

bool IsAssignable(const NamespaceRow& space, const WorkItem& item) {
  return item.traits.policy == RecoveryPolicy::kAssign && IsClaimable(space, item);
}

// How many items each ALIVE pod owns that may claim.
std::map<Incarnation, size_t> CountItems(const NamespaceRow& space) {
  std::map<Incarnation, size_t> owned;
  for (const auto& [incarnation, row] : space.pods) {
    if (row.pod.state == PodState::kAlive && row.may_claim) owned[incarnation] = 0;
  }
  for (const auto& [key, row] : space.work) {
    const auto owner = owned.find(row.item.owner);
    if (row.item.state == WorkState::kOwned && owner != owned.end()) ++owner->second;
  }
  return owned;
}

// Of those that may have the item, the one with the fewest; null when there is none.
const Pod* Choose(const Transaction& tx, const NamespaceRow& space, const WorkItem& item,
                  const std::map<Incarnation, size_t>& owned) {
  const Pod* chosen = nullptr;
  for (const auto& [incarnation, items] : owned) {
    const Pod& pod = space.pods.at(incarnation).pod;
    if (!MayHave(tx, space, item, pod)) continue;
    if (chosen == nullptr || items < owned.at(chosen->incarnation)) chosen = &pod;
  }
  return chosen;
}

}  // namespace

Result<ClaimedWork> MemoryStore::ClaimWork(const WorkClaim& claim) {
  return Change<ClaimedWork>([&](Transaction& tx) -> Result<ClaimedWork> {
    auto claimant = RequireLiving(tx, claim.ns, claim.claimant);
    if (!claimant) return Fail(claimant.error());
    NamespaceRow& space = *tx.FindNamespace(claim.ns);
    WorkRow* row = FindWork(space, claim.key);
    if (row == nullptr) return Fail(WorkNotFound(claim.key));
    const WorkItem& item = row->item;
    if (item.state == WorkState::kCompleted) return Fail(WorkCompleted(claim.key));

    auto outcome = ClaimOutcome::kClaimed;
    const bool won_already = item.owner == claim.claimant && item.owner != claim.expected_owner &&
                             item.fence.value == claim.expected_fence.value + 1;
    if (item.state == WorkState::kQuarantined) {
      outcome = ClaimOutcome::kQuarantined;
    } else if (item.owner == claim.expected_owner && item.fence == claim.expected_fence) {
      if (!IsClaimable(space, item)) return Fail(OwnerAlive(item.key, item.owner, item.fence));
      if (!MayHave(tx, space, item, (*claimant)->pod)) {
        outcome = ClaimOutcome::kReserved;
      } else if (IsAdoptedTooOften(space, *row)) {
        Quarantine(tx, space, *row);
        outcome = ClaimOutcome::kQuarantined;
      } else {
        Adopt(tx, space, (*claimant)->pod, *row);
      }
    } else if (!won_already) {
      outcome = ClaimOutcome::kLost;
    }
    return ClaimedWork{outcome, Shown(space, *row)};
  });
}

Result<Items> MemoryStore::ClaimOrphans(const OrphansClaim& claim) {
  return Change<Items>([&](Transaction& tx) -> Result<Items> {
    auto claimant = RequireLiving(tx, claim.ns, claim.claimant);
    if (!claimant) return Fail(claimant.error());
    NamespaceRow& space = *tx.FindNamespace(claim.ns);
    if (Remembers((*claimant)->claims, claim.request_id)) return StillOwned(space, claim);
    const Pod& pod = (*claimant)->pod;
    Items claimed;
    size_t quarantined = 0;
    size_t bytes = 0;
    for (auto& [key, row] : space.work) {
      const WorkItem& item = row.item;
      if (claimed.size() + quarantined == claim.limit) break;
      if (!IsClaimable(space, item) || item.traits.policy == RecoveryPolicy::kAssign) continue;
      if (!Passes(claim.choice, item.traits) || !MayHave(tx, space, item, pod)) continue;
      if (IsAdoptedTooOften(space, row)) {
        Quarantine(tx, space, row);
        Remember(row.requests, claim.request_id);
        ++quarantined;
        continue;
      }
      bytes += BytesOf(item);
      if (!claimed.empty() && bytes > kLargestAnswer) break;
      Adopt(tx, space, pod, row);
      Remember(row.requests, claim.request_id);
      claimed.push_back(Shown(space, row));
    }
    if (!claimed.empty() || quarantined > 0) Remember((*claimant)->claims, claim.request_id);
    return claimed;
  });
}

Result<WorkItem> MemoryStore::ReleaseQuarantined(const std::string& ns, const std::string& key,
                                                 Fence fence) {
  return Change<WorkItem>([&](Transaction& tx) -> Result<WorkItem> {
    NamespaceRow* space = tx.FindNamespace(ns);
    WorkRow* row = space == nullptr ? nullptr : FindWork(*space, key);
    if (row == nullptr) return Fail(WorkNotFound(key));
    WorkItem& item = row->item;
    const bool orphan = IsOrphan(*space, item);
    if ((item.owner && !orphan) || item.fence != fence) {
      return Fail(Fenced(key, item.owner, item.fence));
    }
    if (item.state != WorkState::kReleased) {
      if (orphan) CountEnd(*space, *row);
      item.state = WorkState::kReleased;
      item.owner = {};
      item.adoptions = 0;
      item.updated_at = tx.now();
      Event& event = tx.Append(EventKind::kWorkReleased, Pod{.ns = ns});
      event.work_key = key;
      event.fence = fence;
    }
    return Shown(*space, *row);
  });
}

Result<std::vector<std::string>> MemoryStore::ListAssignable(const std::string& after,
                                                             uint32_t limit) {
  return Read<std::vector<std::string>>([&](Transaction& tx) {
    std::vector<std::string> namespaces;
    const auto& rows = tx.tables().namespaces;
    for (auto row = rows.upper_bound(after); row != rows.end(); ++row) {
      if (namespaces.size() == limit) break;
      const NamespaceRow& space = row->second;
      const bool assignable = std::ranges::any_of(
          space.work, [&](const auto& entry) { return IsAssignable(space, entry.second.item); });
      if (assignable) namespaces.push_back(row->first);
    }
    return namespaces;
  });
}

Result<AssignedWork> MemoryStore::AssignWork(const std::string& ns, uint32_t limit) {
  return Change<AssignedWork>([&](Transaction& tx) -> Result<AssignedWork> {
    AssignedWork done;
    NamespaceRow* space = tx.FindNamespace(ns);
    if (space == nullptr) return done;
    auto owned = CountItems(*space);
    for (auto& [key, row] : space->work) {
      if (!IsAssignable(*space, row.item)) continue;
      const Pod* owner = Choose(tx, *space, row.item, owned);
      if (owner == nullptr) continue;
      done.more = done.assigned + done.quarantined == limit;
      if (done.more) break;
      if (IsAdoptedTooOften(*space, row)) {
        Quarantine(tx, *space, row);
        ++done.quarantined;
      } else {
        Adopt(tx, *space, *owner, row);
        ++owned.at(owner->incarnation);
        ++done.assigned;
      }
    }
    return done;
  });
}

Result<WaitingWork> MemoryStore::CountWaiting() {
  return Read<WaitingWork>([&](Transaction& tx) -> Result<WaitingWork> {
    WaitingWork waiting;
    WallMicros first_end = tx.now();
    uint64_t orphans = 0;
    for (const auto& [ns, space] : tx.tables().namespaces) {
      for (const auto& [key, row] : space.work) {
        const WorkItem& item = row.item;
        if (item.state == WorkState::kQuarantined && waiting.quarantined < kMostWaiting) {
          ++waiting.quarantined;
        }
        if (!IsOrphan(space, item) || orphans++ >= kMostWaiting) continue;
        ++CountOf(waiting, item.traits.policy);
        first_end = std::min(first_end, space.pods.at(item.owner).pod.ended_at);
      }
    }
    waiting.oldest = std::chrono::microseconds(tx.now().value - first_end.value);
    return waiting;
  });
}

}  // namespace vigil::memory
