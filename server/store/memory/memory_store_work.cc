// Work items in the hands of their owners, and how they are looked at.
#include "core/errors.h"
#include "core/validate.h"
#include "store/deeds.h"
#include "store/memory/memory_store.h"
#include "store/memory/work_rows.h"

namespace vigil::memory {
namespace {

// A living caller and the item that it names, which it need not own.
struct Named {
  PodRow& holder;
  NamespaceRow& space;
  WorkRow& row;
};

Result<Named> RequireItem(Transaction& tx, const WorkHolder& holder) {
  auto pod = RequireLiving(tx, holder.ns, holder.incarnation);
  if (!pod && !pod.error().Is(reason::kIncarnationEnded)) return Fail(pod.error());
  NamespaceRow& space = *tx.FindNamespace(holder.ns);
  WorkRow* row = FindWork(space, holder.key);
  if (!pod) {
    // Who has it now is of more use to the dead than that they are dead.
    const bool overtaken = row != nullptr && row->item.fence > holder.fence;
    return Fail(overtaken ? Fenced(holder.key, row->item.owner, row->item.fence) : pod.error());
  }
  if (row == nullptr) return Fail(WorkNotFound(holder.key));
  return Named{**pod, space, *row};
}

bool IsHeldBy(const WorkItem& item, const WorkHolder& holder) {
  return item.owner == holder.incarnation && item.fence == holder.fence;
}

// This holder has done so, and nobody has taken the item since.
bool HasGivenUp(const WorkRow& row, const WorkHolder& holder, const std::string& deed) {
  return row.item.fence == holder.fence && Remembers(row.requests, deed);
}

// Errors FENCED, WORK_COMPLETED.
Result<void> RequireHeld(const WorkItem& item, const WorkHolder& holder) {
  if (!IsHeldBy(item, holder)) return Fail(Fenced(item.key, item.owner, item.fence));
  if (item.state == WorkState::kCompleted) return Fail(WorkCompleted(item.key));
  return {};
}

void AppendChange(Transaction& tx, EventKind kind, const Pod& pod, const WorkItem& item) {
  Event& event = tx.Append(kind, pod);
  event.work_key = item.key;
  event.fence = item.fence;
}

StartOutcome OutcomeFor(const NamespaceRow& space, const WorkItem& item, Incarnation starter) {
  switch (item.state) {
    case WorkState::kOwned:
      break;
    case WorkState::kReleased:
      return StartOutcome::kReleased;
    case WorkState::kCompleted:
      return StartOutcome::kCompleted;
    case WorkState::kQuarantined:
      return StartOutcome::kQuarantined;
  }
  if (item.owner == starter) return StartOutcome::kStarted;
  return IsOrphan(space, item) ? StartOutcome::kOrphaned : StartOutcome::kOwned;
}

// The owner gives it up.
void LayDown(Transaction& tx, WorkRow& row, WorkState state) {
  row.item.state = state;
  row.item.owner = {};
  row.item.updated_at = tx.now();
}

bool Chooses(const WorkFilter& filter, const NamespaceRow& space, const WorkItem& item) {
  if (filter.owner && item.owner != filter.owner) return false;
  if (filter.claimable_only && !IsClaimable(space, item)) return false;
  if (filter.quarantined_only && item.state != WorkState::kQuarantined) return false;
  if (!filter.include_completed && item.state == WorkState::kCompleted) return false;
  return Passes(filter.choice, item.traits);
}

}  // namespace

Result<StartedWork> MemoryStore::StartWork(const NewWork& work) {
  return Change<StartedWork>([&](Transaction& tx) -> Result<StartedWork> {
    auto starter = RequireLiving(tx, work.ns, work.starter);
    if (!starter) return Fail(starter.error());
    NamespaceRow& space = *tx.FindNamespace(work.ns);
    WorkRow* row = FindWork(space, work.key);
    if (row == nullptr) {
      row = &space.work[work.key];
      row->item = WorkItem{.ns = work.ns,
                           .key = work.key,
                           .traits = work.traits,
                           .owner = work.starter,
                           .fence = Fence{space.fence_floor.value + 1},
                           .payload = work.payload,
                           .started_at = tx.now(),
                           .updated_at = tx.now()};
      row->owned_at = tx.now();
      Remember(row->requests, work.request_id);
    } else if (!Remembers(row->requests, work.request_id)) {
      if (row->item.state == WorkState::kReleased) Adopt(tx, space, (*starter)->pod, *row);
      // Also when it has the item already, so that this request, when it comes once more and late,
      // does not take what was released.
      const bool its_own = row->item.state == WorkState::kOwned && row->item.owner == work.starter;
      if (its_own) Remember(row->requests, work.request_id);
    }
    return StartedWork{OutcomeFor(space, row->item, work.starter), Shown(space, *row)};
  });
}

Result<WorkItem> MemoryStore::CheckpointWork(const WorkHolder& holder,
                                             const std::string& checkpoint, uint64_t number) {
  return Change<WorkItem>([&](Transaction& tx) -> Result<WorkItem> {
    auto named = RequireItem(tx, holder);
    if (!named) return Fail(named.error());
    WorkRow& row = named->row;
    if (auto held = RequireHeld(row.item, holder); !held) return Fail(held.error());
    if (number == 0 || number > row.checkpoint_number) {
      row.item.checkpoint = checkpoint;
      row.checkpointed = true;
      row.item.updated_at = tx.now();
      row.checkpoint_number = std::max(row.checkpoint_number, number);
    }
    return Shown(named->space, row);
  });
}

Result<WorkItem> MemoryStore::CompleteWork(const WorkHolder& holder, const std::string& result) {
  return Change<WorkItem>([&](Transaction& tx) -> Result<WorkItem> {
    auto named = RequireItem(tx, holder);
    if (!named) return Fail(named.error());
    WorkItem& item = named->row.item;
    if (!IsHeldBy(item, holder)) return Fail(Fenced(item.key, item.owner, item.fence));
    if (item.state != WorkState::kCompleted) {
      item.state = WorkState::kCompleted;
      item.result = result;
      item.updated_at = tx.now();
      AppendChange(tx, EventKind::kWorkCompleted, named->holder.pod, item);
    }
    return Shown(named->space, named->row);
  });
}

Result<WorkItem> MemoryStore::ReleaseWork(const WorkHolder& holder) {
  return Change<WorkItem>([&](Transaction& tx) -> Result<WorkItem> {
    auto named = RequireItem(tx, holder);
    if (!named) return Fail(named.error());
    WorkRow& row = named->row;
    WorkItem& item = row.item;
    const std::string deed = Deed("released", holder);
    if (!HasGivenUp(row, holder, deed)) {
      if (auto held = RequireHeld(item, holder); !held) return Fail(held.error());
      item.adoptions = AdoptionsUntil(row, tx.now());
      Remember(row.requests, deed);
      LayDown(tx, row, WorkState::kReleased);
      AppendChange(tx, EventKind::kWorkReleased, named->holder.pod, item);
    }
    return Shown(named->space, row);
  });
}

Result<WorkItem> MemoryStore::FailWork(const WorkHolder& holder, const std::string& reason) {
  return Change<WorkItem>([&](Transaction& tx) -> Result<WorkItem> {
    auto named = RequireItem(tx, holder);
    if (!named) return Fail(named.error());
    WorkRow& row = named->row;
    WorkItem& item = row.item;
    const std::string deed = Deed("failed", holder);
    if (!HasGivenUp(row, holder, deed)) {
      if (auto held = RequireHeld(item, holder); !held) return Fail(held.error());
      const Pod& pod = named->holder.pod;
      Remember(row.requests, deed);
      item.adoptions = AdoptionsUntil(row, tx.now());
      AddFormerOwner(item, {.incarnation = pod.incarnation,
                            .name = pod.name,
                            .fence = item.fence,
                            .reason = reason,
                            .at = tx.now()});
      if (item.adoptions >= item.traits.max_adoptions) {
        LayDown(tx, row, WorkState::kQuarantined);
        AppendChange(tx, EventKind::kWorkQuarantined, pod, item);
      } else {
        ++item.adoptions;
        LayDown(tx, row, WorkState::kReleased);
        AppendChange(tx, EventKind::kWorkReleased, pod, item);
      }
    }
    return Shown(named->space, row);
  });
}

Result<WorkItem> MemoryStore::TransferWork(const WorkHolder& holder, const std::string& to_name) {
  return Change<WorkItem>([&](Transaction& tx) -> Result<WorkItem> {
    auto named = RequireItem(tx, holder);
    if (!named) return Fail(named.error());
    WorkRow& row = named->row;
    WorkItem& item = row.item;
    const PodRow* taker = FindLiving(named->space, to_name);
    const std::string deed = Deed("gave to " + to_name, holder);
    const bool repeated =
        item.fence.value == holder.fence.value + 1 && Remembers(row.requests, deed);
    if (repeated) return Shown(named->space, row);
    if (auto held = RequireHeld(item, holder); !held) return Fail(held.error());
    if (taker == nullptr) return Fail(PodNotFound(to_name));
    if (taker->pod.incarnation != holder.incarnation) {
      if (!taker->may_claim) return Fail(MayNotHaveWork(to_name));
      item.adoptions = AdoptionsUntil(row, tx.now());
      Remember(row.requests, deed);
      GiveTo(tx, taker->pod, row);
    }
    return Shown(named->space, row);
  });
}

Result<WorkItem> MemoryStore::GetWork(const std::string& ns, const std::string& key) {
  return Read<WorkItem>([&](Transaction& tx) -> Result<WorkItem> {
    NamespaceRow* space = tx.FindNamespace(ns);
    const WorkRow* row = space == nullptr ? nullptr : FindWork(*space, key);
    if (row == nullptr) return Fail(WorkNotFound(key));
    return Shown(*space, *row);
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
      const WorkRow& row = it->second;
      if (!Chooses(filter, *space, row.item)) continue;
      bytes += BytesOf(row.item);
      page.more = page.items.size() == limit || (!page.items.empty() && bytes > kLargestAnswer);
      if (page.more) break;
      page.items.push_back(Shown(*space, row));
    }
    return page;
  });
}

}  // namespace vigil::memory
