// What the rules of a runner remember of items and calls.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "runner_actions.h"
#include "stand_by.h"
#include "vigil/boot_clock.h"
#include "vigil/error.h"
#include "vigil/event.h"
#include "vigil/runner.h"
#include "vigil/work.h"

namespace vigil::client::runner_state {

// A task, from Run to Forget.
struct Running {
  // Without payload, checkpoint and result.
  WorkItem item;
  bool lost = false;
  // When to ask whether it is still the pod's.
  std::optional<Time> look_at;
  // What its function has returned.
  std::optional<TaskResult> result;
  // It has failed, and keeps its item for a pause.
  bool held = false;
  // Why it could not be completed, when that is written.
  std::optional<Error> refused;
  // When what it returned is to be written, again or after the pause.
  std::optional<Time> write_at;
  unsigned failures = 0;
};

// What a call is for.
enum class Asks {
  kOrphans,
  kOwn,
  kWaiting,
  kRunning,
  kSubmission,
  kStart,
  kClaim,
  kPredecessors,
  kRelease
};

// A call that is unanswered.
struct Query {
  Asks asks;
  std::string key;
  // How many items may come with the answer, and run at once.
  std::uint32_t room = 0;
  // Of what waits, as it was known then.
  Fence fence = {};
  Incarnation expected_owner;
  EventKind event = EventKind::kUnknown;
  Time event_at{};
  // What was run to its end since it was asked.
  std::map<std::string, Fence> ended = {};
};

// What the pod owns, or may own, and nobody runs yet.
struct Waiting {
  Fence fence;
  Time from;
  bool asked = false;
};

// What is stood by for.
struct Wanted {
  WorkOrder order;
  std::optional<client::StandBy> rules;
  bool asked = false;
  bool look_again = false;
  Time look_at{};
  Fence reported;
};

}  // namespace vigil::client::runner_state
