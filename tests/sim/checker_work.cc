// The checker's look at work, and at the end of a run.
#include <fmt/format.h>

#include <utility>

#include "sim/checker.h"

namespace vigil::sim {
namespace {

// What ever waits in a lane of these few pods.
constexpr size_t kLongestQueue = 200;

bool Living(const memory::NamespaceRow& space, Incarnation incarnation) {
  const auto row = space.pods.find(incarnation);
  return row != space.pods.end() && row->second.pod.living();
}

}  // namespace

void Checker::LookAtWork(const memory::NamespaceRow& space) {
  for (const auto& [key, row] : space.work) LookAtItem(row.item, space);
}

void Checker::LookAtItem(const WorkItem& item, const memory::NamespaceRow& space) {
  const auto [found, added] = work_.try_emplace(item.key, item);
  const WorkItem before = std::exchange(found->second, item);
  const bool owned = item.state == WorkState::kOwned;
  if (added) {
    if (!Living(space, item.owner)) Violate("P6", item.key + " was started by the dead");
    return;
  }
  if (item.fence < before.fence) Violate("P5", "the fence of " + item.key + " has shrunk");
  if (before.state == WorkState::kQuarantined && item.state != before.state) {
    Violate("P5", item.key + " left its quarantine, and nobody released it");
  }
  if (owned && (item.owner != before.owner || before.state == WorkState::kReleased)) {
    if (item.fence <= before.fence) Violate("P5", item.key + " changed hands under one fence");
    if (!Living(space, item.owner)) Violate("P6", item.key + " was claimed by the dead");
    if (before.state == WorkState::kOwned && Living(space, before.owner)) {
      Violate("P6", item.key + " was taken from the living");
    }
    if (before.state == WorkState::kCompleted) Violate("P5", item.key + " was completed");
  }
  const bool worked = item.checkpoint != before.checkpoint;
  if (worked && !item.checkpoint.starts_with(std::to_string(item.owner.value) + "/")) {
    Violate("P5", item.key + " was worked on by another than its owner");
  }
  const bool changed = worked || item.state != before.state;
  if (changed && item.owner == before.owner && !Living(space, before.owner)) {
    Violate("P6", item.key + " was changed by the dead");
  }
}

void Checker::LookAtRest(Seq head) {
  bool someone_works = false;
  for (const auto& pod : witness_.Pods()) {
    if (pod->gone()) continue;
    const PodLife* life = pod->life();
    if (!life || life->state() != client::SelfState::kAlive) {
      Violate("P2", fmt::format("{} did not come to life again", pod->name()));
      return;
    }
    someone_works = true;
    Judge(pod->follower().history(), head);
  }
  server_.engine->Inspect([&](const Tables& tables, const Server& server) {
    const auto found = tables.namespaces.find(kNamespace);
    if (found == tables.namespaces.end()) return Violate("P2", "nobody ever registered");
    const memory::NamespaceRow& space = found->second;
    for (const auto& [incarnation, row] : space.pods) {
      if (!row.pod.living()) continue;
      if (!witness_.PodOf(incarnation)) {
        Violate("P2", fmt::format("{} is gone, and is not dead", row.pod.name));
      } else if (row.pod.state != PodState::kAlive) {
        Violate("P1", fmt::format("{} lives, and stays SUSPECT", row.pod.name));
      } else if (!server.locks.contains(LockKey{LockKind::kSession, row.pod.session.value})) {
        Violate("P1", fmt::format("{} lives, and nobody holds its lock", row.pod.name));
      }
    }
    for (const auto& [key, row] : space.work) {
      const WorkItem& item = row.item;
      if (someone_works && item.state == WorkState::kOwned && !Living(space, item.owner)) {
        Violate("P3", key + " is an orphan that nobody claimed");
      }
    }
  });
  for (const auto& coordinator : witness_.Coordinators()) {
    if (coordinator->longest_queue() > kLongestQueue) {
      Violate("P11", "a queue of " + coordinator->address() + " has grown without end");
    }
  }
}

}  // namespace vigil::sim
