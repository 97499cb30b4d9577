// Pods, as a coordinator describes them.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vigil/boot_clock.h"
#include "vigil/types.h"

namespace vigil::client {

// Wall clock of the database, for people: no decision rests on it.
using Timestamp = std::chrono::sys_time<std::chrono::microseconds>;

// What the database says of an incarnation.
enum class PodState { kUnknown = 0, kAlive = 1, kSuspect = 2, kDead = 3, kLeft = 4 };

// How a pod wants evidence of its death to be weighed.
enum class Profile {
  kDefault = 0,  // The server's default, which is STRICT.
  kStrict = 1,   // Nobody is told that the pod is dead before the pod's own lease has ended.
  kFast = 2,  // Strong evidence is a verdict at once. A pod that was cut off may learn of its death
              // last; the fence protects its work.
};

// What was seen before an incarnation was suspected or ended.
enum class Cause {
  kNone = 0,
  kLeft = 1,
  kStreamEnded = 2,
  kHeartbeatsStopped = 3,
  kLockFree = 4,
  kProcessExited = 5,
  kSuperseded = 6,
};

// What a cause is worth.
enum class Evidence {
  kNone = 0,     // There is none: nothing has ended and nothing is suspected.
  kCertain = 1,  // It cannot be wrong: the pod said so, or its parent process saw its end.
  kStrong = 2,   // What the pod's own coordinator saw of its connection or its heartbeats.
  kWeak = 3,     // A lock that was found free: a connection that was cut looks the same.
};

// One life of a pod.
struct Pod {
  std::string ns;
  std::string name;
  Incarnation incarnation;
  PodState state = PodState::kUnknown;
  Profile profile = Profile::kDefault;
  Duration lease{};
  std::map<std::string, std::string> labels;
  CoordinatorNumber coordinator;
  SessionNumber session;
  Cause cause = Cause::kNone;
  std::optional<Timestamp> registered_at;
  std::optional<Timestamp> ended_at;
};

// Which pods to list.
struct PodQuery {
  std::string ns = "default";
  // Also the DEAD and LEFT incarnations that are still retained.
  bool include_ended = false;
  // 1 to 1,000.
  std::uint32_t page_size = 100;
  // From the page before; empty for the first.
  std::string page_token;
};

// Pods by incarnation.
struct PodPage {
  std::vector<Pod> pods;
  // Empty after the last page.
  std::string next_page_token;
};

// The words of the protocol: "ALIVE", "STRICT", "STREAM_ENDED", "STRONG".
std::string_view Name(PodState state);
std::string_view Name(Profile profile);
std::string_view Name(Cause cause);
std::string_view Name(Evidence evidence);

}  // namespace vigil::client
