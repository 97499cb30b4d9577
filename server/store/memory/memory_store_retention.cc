// How what is old leaves.
#include <algorithm>

#include "store/memory/memory_store.h"

namespace vigil::memory {
namespace {

// What was stamped before it is older than `age`.
WallMicros Since(const Transaction& tx, Duration age) {
  const auto micros =
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(age).count());
  return {tx.now().value - std::min(tx.now().value, micros)};
}

bool HasItems(const NamespaceRow& space, Incarnation incarnation) {
  return std::ranges::any_of(
      space.work, [&](const auto& entry) { return entry.second.item.owner == incarnation; });
}

// Erases what `goes` says, at most `batch`, and tells how many that were.
template <typename Map, typename Goes>
uint64_t Erase(Map& map, uint32_t batch, const Goes& goes) {
  uint64_t erased = 0;
  std::erase_if(map, [&](const auto& entry) {
    const bool gone = erased < batch && goes(entry.second);
    if (gone) ++erased;
    return gone;
  });
  return erased;
}

// The event right before the oldest one stays, for its mark.
uint64_t ForgetEvents(NamespaceRow& space, uint32_t batch) {
  uint64_t forgotten = 0;
  while (forgotten < batch && space.forgotten + 2 < space.oldest.value) {
    ++forgotten;
    ++space.forgotten;
  }
  space.log.erase(space.log.begin(), space.log.begin() + static_cast<std::ptrdiff_t>(forgotten));
  return forgotten;
}

// Whether it has moved.
bool AdvanceOldest(NamespaceRow& space, WallMicros since, uint64_t events, uint32_t batch) {
  const uint64_t head = space.head().value;
  const Seq begin = space.oldest;
  while (space.oldest.value <= head && space.oldest.value < begin.value + batch) {
    const Seq end = space.At(space.oldest).transaction_end;
    bool old = true;
    for (Seq seq = space.oldest; seq <= end; ++seq.value) {
      old = old && space.At(seq).occurred_at < since;
    }
    if (!old && space.oldest.value + events > head) break;
    space.oldest = {end.value + 1};
  }
  return space.oldest > begin;
}

}  // namespace

Result<Pruned> MemoryStore::Prune(const std::string& ns, const Retention& retention,
                                  uint32_t batch) {
  return Change<Pruned>([&](Transaction& tx) -> Result<Pruned> {
    NamespaceRow* space = tx.FindNamespace(ns);
    if (space == nullptr) return Pruned{};
    const WallMicros since = Since(tx, retention.age);
    Pruned pruned{.events = ForgetEvents(*space, batch)};
    pruned.pods = Erase(space->pods, batch, [&](const PodRow& row) {
      return !row.pod.living() && row.pod.ended_at < since &&
             !HasItems(*space, row.pod.incarnation);
    });
    pruned.items = Erase(space->work, batch, [&](const WorkRow& row) {
      const WorkItem& item = row.item;
      const bool old = item.state == WorkState::kCompleted && item.updated_at < since;
      if (old) space->fence_floor = std::max(space->fence_floor, item.fence);
      return old;
    });
    const bool advanced = AdvanceOldest(*space, since, retention.events, batch);
    pruned.more = advanced || std::max({pruned.events, pruned.pods, pruned.items}) >= batch;
    return pruned;
  });
}

Result<uint64_t> MemoryStore::PruneCoordinators(Duration age, uint32_t batch) {
  return Change<uint64_t>([&](Transaction& tx) -> Result<uint64_t> {
    std::set<CoordinatorNumber> hosts;
    for (const auto& [ns, space] : tx.tables().namespaces) {
      for (const auto& [incarnation, row] : space.pods) {
        if (row.pod.living()) hosts.insert(row.pod.coordinator);
      }
    }
    const WallMicros since = Since(tx, age);
    uint64_t pruned = 0;
    std::erase_if(tx.tables().coordinators, [&](const auto& entry) {
      const auto& [number, row] = entry;
      const bool gone = pruned < batch && row.state != CoordinatorState::kAlive &&
                        row.ended_at < since && !hosts.contains(number);
      if (gone) ++pruned;
      return gone;
    });
    return pruned;
  });
}

Result<std::vector<std::string>> MemoryStore::ListNamespaces(const std::string& after,
                                                             uint32_t limit) {
  return Read<std::vector<std::string>>([&](Transaction& tx) {
    std::vector<std::string> namespaces;
    const auto& rows = tx.tables().namespaces;
    for (auto row = rows.upper_bound(after); row != rows.end(); ++row) {
      if (namespaces.size() == limit) break;
      namespaces.push_back(row->first);
    }
    return namespaces;
  });
}

}  // namespace vigil::memory
