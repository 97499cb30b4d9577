// What an operator looks at.
#include <algorithm>
#include <cmath>

#include "store/memory/memory_store.h"
#include "store/memory/work_rows.h"

namespace vigil::memory {
namespace {

constexpr uint64_t kHourMicros = 3'600'000'000;

bool WithinAnHour(const Transaction& tx, WallMicros at) {
  return at.value + kHourMicros > tx.now().value;
}

void ShowPods(const NamespaceRow& space, const OverviewLimits& limits, Overview& overview) {
  for (const auto& [incarnation, row] : space.pods) {
    if (!row.pod.living()) continue;
    ++(row.pod.state == PodState::kAlive ? overview.alive : overview.suspect);
    overview.pods.push_back(row.pod);
    overview.pods.back().labels.clear();
  }
  std::ranges::stable_sort(overview.pods, {},
                           [](const Pod& pod) { return pod.state == PodState::kAlive; });
  if (overview.pods.size() > limits.pods) overview.pods.resize(limits.pods);
}

// The least one that is no less than this part of them. REQUIRES: they are sorted, and not none.
Duration Percentile(const std::vector<Duration>& sorted, double part) {
  const double rank = std::ceil(part * static_cast<double>(sorted.size()));
  return sorted[static_cast<size_t>(std::max(rank, 1.0)) - 1];
}

void CountDeaths(const Transaction& tx, const NamespaceRow& space, const OverviewLimits& limits,
                 Overview& overview) {
  std::vector<Duration> took;
  uint64_t ends = 0;
  for (auto event = space.log.rbegin(); event != space.log.rend(); ++event) {
    const bool died = event->kind == EventKind::kPodDied;
    if (!died && event->kind != EventKind::kPodLeft) continue;
    if (!WithinAnHour(tx, event->occurred_at) || ends == limits.ends) break;
    ++ends;
    if (!died) continue;
    ++overview.deaths.number;
    if (event->cause == Cause::kSuperseded) continue;
    took.push_back(std::chrono::microseconds(event->occurred_at.value - event->detected_at.value));
  }
  overview.deaths.more = ends >= limits.ends;
  if (took.empty()) return;
  std::ranges::sort(took);
  overview.detection_p50 = Percentile(took, 0.5);
  overview.detection_p99 = Percentile(took, 0.99);
}

void CountWork(const NamespaceRow& space, const OverviewLimits& limits, Overview& overview) {
  const auto count = [&](Count& counted) {
    if (counted.number < limits.orphans) ++counted.number;
    counted.more = counted.number >= limits.orphans;
  };
  for (const auto& [key, row] : space.work) {
    if (row.item.state == WorkState::kQuarantined) count(overview.quarantined);
    if (!IsOrphan(space, row.item)) continue;
    count(overview.orphans);
    const WallMicros ended_at = space.pods.at(row.item.owner).pod.ended_at;
    if (!overview.orphans_since || ended_at < overview.orphans_since) {
      overview.orphans_since = ended_at;
    }
  }
}

bool IsShown(const Event& event) {
  return event.kind == EventKind::kPodDied || event.kind == EventKind::kWorkQuarantined ||
         (event.kind == EventKind::kWorkClaimed && event.previous_owner);
}

void ShowEvents(const NamespaceRow& space, const OverviewLimits& limits, Overview& overview) {
  uint32_t read = 0;
  for (auto event = space.log.rbegin(); event != space.log.rend(); ++event) {
    if (event->seq < space.oldest || read == limits.events_read) break;
    ++read;
    if (!IsShown(*event)) continue;
    overview.events.push_back(*event);
    overview.events.back().pod_labels.clear();
    if (overview.events.size() == limits.events) break;
  }
  std::ranges::reverse(overview.events);
}

void ShowCoordinators(Transaction& tx, const NamespaceRow* space, const OverviewLimits& limits,
                      Overview& overview) {
  const auto& all = tx.tables().coordinators;
  const auto hosted = [&](CoordinatorNumber number) -> uint64_t {
    if (space == nullptr) return 0;
    return static_cast<uint64_t>(std::ranges::count_if(space->pods, [&](const auto& entry) {
      return entry.second.pod.living() && entry.second.pod.coordinator == number;
    }));
  };
  const auto show = [&](CoordinatorNumber number, const CoordinatorRow& row) {
    overview.coordinators.push_back({.number = number,
                                     .address = row.address,
                                     .state = row.state,
                                     .pods = hosted(number),
                                     .started_at = row.started_at,
                                     .ended_at = row.ended_at});
  };
  for (const auto& [number, row] : all) {
    if (overview.coordinators.size() == limits.coordinators) break;
    if (row.state == CoordinatorState::kAlive) show(number, row);
  }
  const auto newest = static_cast<ptrdiff_t>(std::min<size_t>(all.size(), limits.coordinators));
  for (auto entry = std::prev(all.end(), newest); entry != all.end(); ++entry) {
    const CoordinatorRow& row = entry->second;
    if (row.state != CoordinatorState::kAlive && WithinAnHour(tx, row.ended_at)) {
      show(entry->first, row);
    }
  }
}

}  // namespace

Result<Overview> MemoryStore::ReadOverview(const std::string& ns, const OverviewLimits& limits) {
  return Read<Overview>([&](Transaction& tx) {
    const NamespaceRow* space = tx.FindNamespace(ns);
    Overview overview{.head = HeadOf(space), .read_at = tx.now()};
    ShowCoordinators(tx, space, limits, overview);
    if (space == nullptr) return overview;
    ShowPods(*space, limits, overview);
    CountDeaths(tx, *space, limits, overview);
    CountWork(*space, limits, overview);
    ShowEvents(*space, limits, overview);
    return overview;
  });
}

}  // namespace vigil::memory
