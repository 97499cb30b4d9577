// What the event log of a namespace tells.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vigil/pod.h"
#include "vigil/types.h"

namespace vigil::client {

// Which fields of an Event are set beside `seq`, `pod_name`, `incarnation`, `pod_labels` and
// `occurred_at` is said at each.
enum class EventKind {
  kUnknown = 0,        // From a newer coordinator.
  kPodRegistered = 1,  // A new incarnation lives.
  kPodSuspected = 2,   // `cause`, `evidence`, `detected_at`. A pod is SUSPECT.
  kPodRefuted = 3,     // The suspicion was wrong; the pod is ALIVE.
  kPodMoved = 4,       // The pod has a new session on another coordinator.
  kPodDied = 5,        // As kPodSuspected, and `orphans`. The pod is DEAD, and its work claimable.
  kPodLeft = 6,        // `cause`, `evidence`, `orphans`. The pod has LEFT; its work is claimable.
  kWorkClaimed = 7,    // `work_key`, `fence`, `previous_owner`. The pod owns the item now.
  kWorkReleased = 8,   // `work_key`, `fence`. The item has no owner now.
  kWorkCompleted = 9,  // `work_key`, `fence`. The item is done for ever.
  kWorkQuarantined = 10,  // `work_key`, `fence`, and `cause` unless the pod failed. The item's
                          // owners kept dying or failing, and nobody can claim it.
};

// A durable entry of the event log.
struct Event {
  Seq seq;
  EventKind kind = EventKind::kUnknown;
  // The pod that it is about, or that claimed, released or completed the item, or whose end or
  // failure quarantined it. Empty when an operator released it.
  std::string pod_name;
  Incarnation incarnation;
  // Of that pod.
  std::map<std::string, std::string> pod_labels;
  Cause cause = Cause::kNone;
  Evidence evidence = Evidence::kNone;
  // When the evidence was first recorded: before `occurred_at` when a suspicion had to stand for a
  // while.
  std::optional<Timestamp> detected_at;
  // How many items of an ended pod were left for others.
  std::uint32_t orphans = 0;
  std::string work_key;
  // After the event.
  Fence fence;
  // Zero when the item had none.
  Incarnation previous_owner;
  std::optional<Timestamp> occurred_at;
};

// Which events to deliver. One that is not delivered still moves the position on.
struct EventFilter {
  // Only these kinds; all when empty.
  std::vector<EventKind> kinds;
  // Only events of pods that have all of these labels: at most 32, keys of 1 to 63 bytes, values of
  // at most 255.
  std::map<std::string, std::string> pod_labels;
};

// "POD_DIED"
std::string_view Name(EventKind kind);

}  // namespace vigil::client
