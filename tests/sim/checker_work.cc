// The checker's look at work, and at the end of a run.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/labels.h"
#include "sim/checker.h"

namespace vigil::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

// What ever waits in a lane of these few pods.
constexpr size_t kLongestQueue = 200;
// What was there for so long, at rest, should have been found.
constexpr Duration kUntilFound = seconds(10);

bool Living(const memory::NamespaceRow& space, Incarnation incarnation) {
  const auto row = space.pods.find(incarnation);
  return row != space.pods.end() && row->second.pod.living();
}

// By the database's wall clock, which jumps.
Duration Since(WallMicros time, const memory::Server& server) {
  const auto now = static_cast<int64_t>(server.wall_clock().value);
  return microseconds(now - static_cast<int64_t>(time.value));
}

}  // namespace

void Checker::LookAtWork(const memory::NamespaceRow& space, const Server& server) {
  for (const auto& [key, row] : space.work) LookAtItem(row.item, space, server);
}

void Checker::LookAtItem(const WorkItem& item, const memory::NamespaceRow& space,
                         const Server& server) {
  const auto [found, added] = work_.try_emplace(item.key, item);
  const WorkItem before = std::exchange(found->second, item);
  const bool nobodys = item.state == WorkState::kReleased || item.state == WorkState::kQuarantined;
  if (nobodys != !item.owner) Violate("P5", item.key + " has an owner that its state denies");
  if (added) {
    if (!Living(space, item.owner)) Violate("P6", item.key + " was started by the dead");
    return;
  }
  if (item.fence < before.fence) Violate("P5", "the fence of " + item.key + " has shrunk");
  const bool new_owner = item.owner != before.owner || before.state != WorkState::kOwned;
  if (item.state == WorkState::kOwned && new_owner) LookAtNewOwner(item, before, space, server);
  if (item.state == WorkState::kQuarantined) LookAtQuarantine(item, before, space);
  const bool worked = item.checkpoint != before.checkpoint;
  if (worked && !item.checkpoint.starts_with(std::to_string(item.owner.value) + "/")) {
    Violate("P5", item.key + " was worked on by another than its owner");
  }
  const bool changed = worked || item.state != before.state;
  const bool same_owner = item.owner && item.owner == before.owner;
  if (changed && same_owner && !Living(space, before.owner)) {
    Violate("P6", item.key + " was changed by the dead");
  }
}

void Checker::LookAtNewOwner(const WorkItem& item, const WorkItem& before,
                             const memory::NamespaceRow& space, const Server& server) {
  if (item.fence <= before.fence) Violate("P5", item.key + " changed hands under one fence");
  if (!Living(space, item.owner)) {
    Violate("P6", item.key + " was given to the dead");
    return;
  }
  if (before.state == WorkState::kCompleted) Violate("P5", item.key + " was completed");
  if (before.state == WorkState::kQuarantined) {
    Violate("P5", item.key + " changed hands in its quarantine");
  }
  if (before.state == WorkState::kOwned && Living(space, before.owner)) {
    const WorkRequest transfer{.kind = WorkRequest::Kind::kTransfer,
                               .key = item.key,
                               .caller = before.owner,
                               .fence = before.fence,
                               .to_name = space.pods.at(item.owner).pod.name};
    if (!requests_.contains(transfer)) Violate("P6", item.key + " was taken from the living");
    return;
  }
  LookAtPolicy(item, before, space, server);
}

// Whoever starts a released item of that key has it, whatever its policy says of orphans.
void Checker::LookAtPolicy(const WorkItem& item, const WorkItem& before,
                           const memory::NamespaceRow& space, const Server& server) {
  const Pod& owner = space.pods.at(item.owner).pod;
  const WorkTraits& traits = item.traits;
  const bool started =
      before.state == WorkState::kReleased &&
      requests_.contains(
          {.kind = WorkRequest::Kind::kStart, .key = item.key, .caller = item.owner});
  if (!HasAll(owner.labels, traits.selector) && !started) {
    Violate("P3",
            fmt::format("{} went to {}, which its selector does not match", item.key, owner.name));
  }
  if (before.state != WorkState::kOwned) return;
  const Pod& former = space.pods.at(before.owner).pod;
  const bool waits = traits.policy == RecoveryPolicy::kSticky && former.name != owner.name;
  if (waits && Since(former.ended_at, server) < traits.sticky_wait) {
    Violate("P3", fmt::format("{} did not wait for {}", item.key, former.name));
  }
  if (former.state != PodState::kDead) return;
  // A jump of the wall clock may make the last ownership look long, and the count begin anew.
  if (item.adoptions != before.adoptions + 1 && item.adoptions != 1) {
    Violate("P5", item.key + " was taken over from the dead, and that does not count");
  }
  if (item.adoptions > traits.max_adoptions) {
    Violate("P11", item.key + " was taken over from the dead too often");
  }
}

void Checker::LookAtQuarantine(const WorkItem& item, const WorkItem& before,
                               const memory::NamespaceRow& space) {
  if (before.state == WorkState::kQuarantined) return;
  const bool failed =
      requests_.contains({WorkRequest::Kind::kFail, item.key, before.owner, before.fence, {}});
  const bool died = before.state == WorkState::kOwned && !Living(space, before.owner) &&
                    space.pods.at(before.owner).pod.state == PodState::kDead;
  if (!failed && !died) Violate("P5", item.key + " is quarantined, and nobody died or failed");
  if (before.adoptions < item.traits.max_adoptions) {
    Violate("P3", item.key + " is quarantined before it was adopted as often as it may be");
  }
}

// --- The end of a run

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
    if (!someone_works) return;
    for (const auto& [key, row] : space.work) LookAtRest(row.item, space, server);
  });
  for (const auto& coordinator : witness_.Coordinators()) {
    if (coordinator->longest_queue() > kLongestQueue) {
      Violate("P11", "a queue of " + coordinator->address() + " has grown without end");
    }
  }
}

// What somebody who lives may have, nobody left lying.
void Checker::LookAtRest(const WorkItem& item, const memory::NamespaceRow& space,
                         const Server& server) {
  const bool orphan = item.state == WorkState::kOwned && !Living(space, item.owner);
  const WorkTraits& traits = item.traits;
  const auto some_pod = [&](auto may_have_it) {
    return std::ranges::any_of(space.pods, [&](const auto& entry) {
      return entry.second.pod.living() && may_have_it(entry.second.pod);
    });
  };
  if (traits.policy == RecoveryPolicy::kAssign) {
    const bool released = item.state == WorkState::kReleased;
    const bool matched =
        some_pod([&](const Pod& pod) { return HasAll(pod.labels, traits.selector); });
    if (matched && (orphan || (released && Since(item.updated_at, server) > kUntilFound))) {
      Violate("P3", item.key + " was assigned to nobody");
    }
    return;
  }
  if (!orphan) return;
  const Pod& former = space.pods.at(item.owner).pod;
  const bool free = traits.policy == RecoveryPolicy::kCompete ||
                    Since(former.ended_at, server) > traits.sticky_wait + kUntilFound;
  if (free || some_pod([&](const Pod& pod) { return pod.name == former.name; })) {
    Violate("P3", item.key + " is an orphan that nobody claimed");
  }
}

}  // namespace vigil::sim
