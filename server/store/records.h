// What goes into the store and comes out of it.
#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "core/lock_table.h"
#include "core/types.h"

namespace vigil {

// A pod in the session that the caller knows it by. A change that names a session is void for a pod
// that has another one now.
struct HostedPod {
  Incarnation incarnation;
  SessionNumber session;
  auto operator<=>(const HostedPod&) const = default;
};

// The database's identity, as an observer sees it. While it is the same, no lock can have vanished
// but by the end of its holder's session. It may differ between observers, and change for one of
// them alone.
using DatabaseIdentity = std::string;

// A coordinator as an observer. It judges only while its row is ALIVE and `backend` holds its lock.
// (P10)
struct Observer {
  CoordinatorNumber number;
  Backend backend;
  // Of the probe that a judgement rests on: under another one it is refused. Empty: it rests on
  // none.
  DatabaseIdentity identity = {};
};

struct NewPod {
  std::string ns;
  std::string name;
  std::string registration_id;
  // Chosen by the coordinator; kept from the first registration when this one repeats it.
  std::string session_token;
  Profile profile = Profile::kStrict;
  Duration lease{};
  std::map<std::string, std::string> labels;
  // Who registers this name with the same key supersedes this incarnation; empty for nobody.
  std::string supersede_key;
  CoordinatorNumber coordinator;
  // Its lock is held by a liveness session of the coordinator already.
  SessionNumber session;
  bool may_claim = true;  // and so be given work by others
};

struct Registered {
  Pod pod;
  std::string session_token;
  // Without payload, checkpoint, result, labels, selector and former owners.   (P11)
  std::vector<WorkItem> predecessors_work;
};

struct NameTaken {
  Incarnation incumbent;
};

using RegisterOutcome = std::variant<Registered, NameTaken>;

struct ResumePod {
  std::string ns;
  Incarnation incarnation;
  std::string session_token;
  CoordinatorNumber coordinator;
  SessionNumber session;
  bool may_claim = true;  // as in NewPod, from now on
};

struct Suspicion {
  HostedPod pod;
  SuspicionNumber number;
};

struct Renewal {
  // Sessions of this coordinator that are over, in case that it does not know: the pod was given
  // another one, or others declared it dead.
  std::vector<SessionNumber> taken;
};

struct LogBounds {
  // Right before the oldest event that is retained. The event before it is kept for its mark.
  Position start;
  Position head;
};

struct EventPage {
  // The log does not have the position that was asked for: it was pruned, or lost.
  bool expired = false;
  // Whole transactions, in order.
  std::vector<Event> events;
  // The oldest that is retained; head + 1 when there is none.
  Seq oldest{1};
  Seq head;
};

// What is kept.
struct Retention {
  // Of events, ended incarnations and completed items.
  Duration age{};
  // Of each namespace: how many events at most, however young they are.
  uint64_t events = 0;
};

// What one round of pruning deleted, and whether there is more to do.
struct Pruned {
  uint64_t events = 0;
  uint64_t pods = 0;
  uint64_t items = 0;
  bool more = false;
};

// What one transaction wrote to a log.
struct WrittenEvents {
  // Right before the events. Without a mark when the event there was committed while this
  // transaction waited for its turn.
  Position before;
  std::vector<Event> events;
};

struct PodSnapshot {
  std::vector<Pod> pods;
  Seq oldest{1};  // as in EventPage
  Position head;
};

struct PodPage {
  std::vector<Pod> pods;
  bool more = false;
};

struct WorkPage {
  std::vector<WorkItem> items;
  bool more = false;
};

// What the item counts for in an answer.
inline size_t BytesOf(const WorkItem& item) {
  size_t bytes = item.payload.size() + item.checkpoint.size() + item.result.size();
  for (const auto* labels : {&item.traits.labels, &item.traits.selector}) {
    for (const auto& [key, value] : *labels) bytes += key.size() + value.size();
  }
  for (const auto& owner : item.former_owners) bytes += owner.name.size() + owner.reason.size();
  return bytes;
}

// Which items. Empty, it passes everything.
struct WorkChoice {
  // Of one of these kinds; of any when empty.
  std::vector<std::string> kinds;
  // That have all of these labels.
  std::map<std::string, std::string> labels;
};

struct WorkFilter {
  Incarnation owner;
  bool claimable_only = false;
  bool include_completed = false;
  bool quarantined_only = false;
  WorkChoice choice;
};

struct NewWork {
  std::string ns;
  std::string key;
  Incarnation starter;
  std::string payload;
  WorkTraits traits;
  // By which a repetition is known; empty for never.
  std::string request_id;
};

// The caller of a change of an item it owns.
struct WorkHolder {
  std::string ns;
  std::string key;
  Incarnation incarnation;
  Fence fence;
};

enum class StartOutcome { kStarted, kOwned, kOrphaned, kCompleted, kReleased, kQuarantined };
struct StartedWork {
  StartOutcome outcome = StartOutcome::kStarted;
  WorkItem item;
};

struct ClaimedWork {
  ClaimOutcome outcome = ClaimOutcome::kClaimed;
  WorkItem item;
};

struct WorkClaim {
  std::string ns;
  std::string key;
  Incarnation claimant;
  Incarnation expected_owner;
  Fence expected_fence;
};

struct OrphansClaim {
  std::string ns;
  Incarnation claimant;
  uint32_t limit = 0;
  WorkChoice choice;
  std::string request_id;  // as in NewWork
};

// What one round of assignments did.
struct AssignedWork {
  uint32_t assigned = 0;
  uint32_t quarantined = 0;
  // There may be more to do at once. What no living pod may have is not.
  bool more = false;
};

}  // namespace vigil
