// What the simulated database keeps: its tables as plain structs. Not thread-safe; the engine's
// mutex guards them.
//
// Invariants:
//  1. log[i].seq is forgotten + i + 1; the log has at least the event before `oldest`.
//  2. At most one row of a name is living; at most one row has a registration id.
//  3. A row's suspicion is set if and only if the pod is SUSPECT.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/types.h"
#include "store/store.h"

namespace vigil::memory {

struct CoordinatorRow {
  CoordinatorState state = CoordinatorState::kAlive;
  std::string address;
  Duration trust_window{};
  WallMicros started_at;
  WallMicros ended_at;
  // Sessions that ended without it, until it says that it has handled them.
  std::set<SessionNumber> taken;
};

struct PodRow {
  Pod pod;
  std::string registration_id;
  std::string session_token;
  std::string supersede_key;
  bool may_claim = true;
  SuspicionNumber suspicion;
  // When the suspicion began that stands.
  WallMicros suspected_at;
  // The identity under which its lock was found free; empty for a suspicion of its host's.
  DatabaseIdentity found_free_under;
  // The ids of its last requests that claimed orphans, oldest first.
  std::vector<std::string> claims;
};

struct WorkRow {
  // `owner_name` and `orphan` are derived when it is read.
  WorkItem item;
  // Since when its owner has it.
  WallMicros owned_at;
  // Its owner has written one.
  bool checkpointed = false;
  // Of its owner's last checkpoint that had one.
  uint64_t checkpoint_number = 0;
  // The ids of its last requests, and what its holders did who gave it up (Deed); oldest first.
  std::vector<std::string> requests;
};

struct NamespaceRow {
  std::map<Incarnation, PodRow> pods;
  std::map<std::string, WorkRow> work;
  std::vector<Event> log;
  // How many events are not there any more.
  uint64_t forgotten = 0;
  // The first event that is in the log.
  Seq oldest{1};
  // New items get fences above it.
  Fence fence_floor;

  Seq head() const { return Seq{forgotten + log.size()}; }
  // REQUIRES: it is there.
  const Event& At(Seq seq) const { return log[seq.value - forgotten - 1]; }
};

// The last probe of all locks, whoever made it, and what it counted.
struct LastProbe {
  WallMicros at;
  uint64_t living = 0;
  uint64_t locks = 0;
};

struct Tables {
  std::map<CoordinatorNumber, CoordinatorRow> coordinators;
  std::map<std::string, NamespaceRow> namespaces;
  std::optional<LastProbe> last_probe;
};

}  // namespace vigil::memory
