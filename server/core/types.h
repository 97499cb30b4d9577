// The words of the product, as types. One word for one thing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/number.h"

namespace vigil {

// Issued by the database, never reused, growing. An incarnation's number is the fencing token of
// its pod; a session's number is the key of its lock.
using Incarnation = Number<struct IncarnationTag>;
using SessionNumber = Number<struct SessionTag>;
using CoordinatorNumber = Number<struct CoordinatorTag>;
using SuspicionNumber = Number<struct SuspicionTag>;

// A work item's number that grows with every change of owner.
using Fence = Number<struct FenceTag>;

// The position of an event in the log of its namespace: contiguous, from 1. 0 is the position
// before the first.
using Seq = Number<struct SeqTag>;

// An event's own random number. When commits are lost, in a failover or with a restored backup,
// another event may take the seq of a lost one; its mark is another one.
using Mark = Number<struct MarkTag>;

// A place in a log: right after the event that has this seq and this mark. The one before the first
// event has neither.
struct Position {
  Seq seq;
  Mark mark;
  bool operator==(const Position&) const = default;
};

// The process that holds locks, as the database knows it (Postgres: the backend's process id).
using Backend = Number<struct BackendTag>;

enum class PodState { kAlive, kSuspect, kDead, kLeft };

// DEAD and LEFT are final.
constexpr bool IsLiving(PodState state) {
  return state == PodState::kAlive || state == PodState::kSuspect;
}
enum class Profile { kStrict, kFast };
enum class Cause {
  kNone,
  kLeft,
  kStreamEnded,
  kHeartbeatsStopped,
  kLockFree,
  kProcessExited,
  kSuperseded,
};
// What a cause is worth.
enum class Evidence { kNone, kCertain, kStrong, kWeak };

constexpr Evidence EvidenceOf(Cause cause) {
  switch (cause) {
    case Cause::kLeft:
    case Cause::kProcessExited:
      return Evidence::kCertain;
    case Cause::kStreamEnded:
    case Cause::kHeartbeatsStopped:
      return Evidence::kStrong;
    case Cause::kLockFree:
      return Evidence::kWeak;
    case Cause::kNone:
    case Cause::kSuperseded:
      break;
  }
  return Evidence::kNone;
}

enum class WorkState { kOwned, kReleased, kCompleted, kQuarantined };

enum class ClaimOutcome { kClaimed, kLost, kReserved, kQuarantined };

// Who takes an orphan over: any survivor; the one that the coordinators choose; a pod of its
// owner's name, and any survivor after a while.
enum class RecoveryPolicy { kCompete, kAssign, kSticky };

enum class EventKind {
  kPodRegistered,
  kPodSuspected,
  kPodRefuted,
  kPodMoved,
  kPodDied,
  kPodLeft,
  kWorkClaimed,
  kWorkReleased,
  kWorkCompleted,
  kWorkQuarantined,
};
inline constexpr EventKind kAllEventKinds[] = {
    EventKind::kPodRegistered,   EventKind::kPodSuspected, EventKind::kPodRefuted,
    EventKind::kPodMoved,        EventKind::kPodDied,      EventKind::kPodLeft,
    EventKind::kWorkClaimed,     EventKind::kWorkReleased, EventKind::kWorkCompleted,
    EventKind::kWorkQuarantined,
};

// A reading of the database's wall clock, microseconds since the Unix epoch. For people: no
// decision rests on it but what is old enough to be pruned. 0 is "never".
using WallMicros = Number<struct WallMicrosTag>;

// One life of a pod, as the database has it.
struct Pod {
  std::string ns;
  std::string name;
  Incarnation incarnation;
  PodState state = PodState::kAlive;
  Profile profile = Profile::kStrict;
  Duration lease{};
  std::map<std::string, std::string> labels;
  CoordinatorNumber coordinator;
  SessionNumber session;
  Cause cause = Cause::kNone;
  WallMicros registered_at;
  WallMicros ended_at;

  bool living() const { return IsLiving(state); }
};

// An entry of the event log. `transaction_end` is the seq of the last event of the same
// transaction: only there may a cursor stand.
struct Event {
  Seq seq;
  Seq transaction_end;
  Mark mark;
  EventKind kind = EventKind::kPodRegistered;
  std::string pod_name;
  Incarnation incarnation;
  Cause cause = Cause::kNone;
  uint32_t orphans = 0;
  std::string work_key;
  Fence fence;
  Incarnation previous_owner;
  WallMicros occurred_at;
  // Of SUSPECTED and DIED: when the evidence was first recorded.
  WallMicros detected_at;
  std::map<std::string, std::string> pod_labels;
  bool operator==(const Event&) const = default;

  Position position() const { return {seq, mark}; }
};

// An ownership of a work item that ended badly.
struct FormerOwner {
  Incarnation incarnation;
  std::string name;
  Fence fence;
  // None when it failed.
  Cause cause = Cause::kNone;
  std::string reason;
  WallMicros at;
  bool operator==(const FormerOwner&) const = default;
};

// What whoever starts a work item says of it.
struct WorkTraits {
  std::string kind;
  std::map<std::string, std::string> labels;
  RecoveryPolicy policy = RecoveryPolicy::kCompete;
  // With ASSIGN: what the labels of its next owner must have.
  std::map<std::string, std::string> selector;
  // With STICKY, counted from the owner's end.
  Duration sticky_wait{};
  uint32_t max_adoptions = 0;
  bool operator==(const WorkTraits&) const = default;
};

struct WorkItem {
  std::string ns;
  std::string key;
  WorkTraits traits;
  WorkState state = WorkState::kOwned;
  Incarnation owner;
  std::string owner_name;
  // Derived: OWNED, and the owner is DEAD or LEFT.
  bool orphan = false;
  Fence fence;
  std::string payload;
  std::string checkpoint;
  std::string result;
  // In a row, from owners that died or failed.
  uint32_t adoptions = 0;
  // The last of them, oldest first.
  std::vector<FormerOwner> former_owners;
  WallMicros started_at;
  WallMicros updated_at;
};

}  // namespace vigil
