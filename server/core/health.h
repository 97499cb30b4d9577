// The health of a coordinator: named checks, and who says no when one of them fails. Everything
// that tells of it, over HTTP, over gRPC or on a page, tells of these.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace vigil {

// What is asked for, and says yes while every check that it needs is ok.
enum class Sign : uint8_t {
  // No restart is needed: /livez.
  kLive,
  // Leases are granted: /readyz, and gRPC's health of the whole and of WorkService.
  kReady,
  // Pods that another coordinator cannot serve well do better here: PodRegistryService.
  kPods,
  // Silence means that nothing happens: PodEventService.
  kEvents,
};

struct HealthCheck {
  // One word, which never changes.
  std::string_view name;
  bool ok = true;
  // What was seen, on one line. Never a secret.
  std::string sentence;
  // What to do next; empty when it is ok.
  std::string hint;
  std::vector<Sign> needed_by;

  bool NeededBy(Sign sign) const;
};

struct Health {
  // In an order in which the first one that fails explains the others.
  std::vector<HealthCheck> checks;

  // Null when the answer is yes.
  const HealthCheck* FirstFailing(Sign sign) const;
  bool Says(Sign sign) const { return FirstFailing(sign) == nullptr; }
};

// What the loop of the pods knows.
struct LinkHealth {
  // Since the last question was sent that a liveness session answered, and the last renewal of the
  // coordinator's row that was committed.
  std::optional<Duration> answered;
  std::optional<Duration> renewed;
  // Both are younger than the trust window, as the coordinator itself counts.
  bool answers = false;
  bool renews = false;
  // Both are so young that pods may come from elsewhere.
  bool sound = false;
  // Why nobody finds room who is new; and why not even a pod that moves.
  std::optional<Error> no_room_for_new;
  std::optional<Error> no_room_for_moved;
};

// What the loop of the event log knows.
struct LogHealth {
  bool readable = false;
  bool gave_up = false;
};

struct HealthFacts {
  Duration trust_window{};
  // The loops that do not turn, as they are called.
  std::vector<std::string_view> halted;
  // Why the database was not found fit for use; nothing when it was.
  std::optional<Error> unexamined;
  // Why no connection over TLS can begin; nothing when one can.
  std::optional<Error> unconnectable;
  bool draining = false;
  LinkHealth link;
  LogHealth log;
};

Health HealthOf(const HealthFacts& facts);

}  // namespace vigil
