// The words of the protocol for every enumeration of the public headers.
#include <array>

#include "vigil/error.h"
#include "vigil/event.h"
#include "vigil/pod.h"
#include "vigil/pod_session.h"
#include "vigil/runner.h"
#include "vigil/work.h"

namespace vigil::client {
namespace {

template <class Enum, std::size_t n>
std::string_view Pick(const std::array<std::string_view, n>& names, Enum value) {
  const auto index = static_cast<std::size_t>(value);
  return index < n ? names[index] : "UNKNOWN";
}

}  // namespace

std::string_view Name(Code code) {
  static constexpr std::array<std::string_view, 17> kNames = {"OK",
                                                              "CANCELLED",
                                                              "UNKNOWN",
                                                              "INVALID_ARGUMENT",
                                                              "DEADLINE_EXCEEDED",
                                                              "NOT_FOUND",
                                                              "ALREADY_EXISTS",
                                                              "PERMISSION_DENIED",
                                                              "RESOURCE_EXHAUSTED",
                                                              "FAILED_PRECONDITION",
                                                              "ABORTED",
                                                              "OUT_OF_RANGE",
                                                              "UNIMPLEMENTED",
                                                              "INTERNAL",
                                                              "UNAVAILABLE",
                                                              "DATA_LOSS",
                                                              "UNAUTHENTICATED"};
  return Pick(kNames, code);
}

std::string_view Name(Reason reason) {
  static constexpr std::array<std::string_view, 23> kNames = {"NONE",
                                                              "INVALID_FIELD",
                                                              "INVALID_CURSOR",
                                                              "PROTOCOL_VIOLATION",
                                                              "POD_NAME_TAKEN",
                                                              "POD_NOT_FOUND",
                                                              "INCARNATION_ENDED",
                                                              "SESSION_TOKEN_INVALID",
                                                              "SESSION_TAKEN",
                                                              "WORK_NOT_FOUND",
                                                              "FENCED",
                                                              "OWNER_ALIVE",
                                                              "WORK_COMPLETED",
                                                              "LIMIT_REACHED",
                                                              "DATABASE_UNAVAILABLE",
                                                              "OUTCOME_UNKNOWN",
                                                              "DRAINING",
                                                              "COORDINATOR_UNTRUSTED",
                                                              "INTERNAL",
                                                              "STREAM_IDLE",
                                                              "CALLER_UNKNOWN",
                                                              "NOT_GRANTED",
                                                              "IDENTITY_MISMATCH"};
  if (reason == Reason::kUnrecognized) return "UNRECOGNIZED";
  if (reason == Reason::kWatchdogStarved) return "WATCHDOG_STARVED";
  return Pick(kNames, reason);
}

std::string_view Name(PodState state) {
  static constexpr std::array<std::string_view, 5> kNames = {"UNKNOWN", "ALIVE", "SUSPECT", "DEAD",
                                                             "LEFT"};
  return Pick(kNames, state);
}

std::string_view Name(Profile profile) {
  static constexpr std::array<std::string_view, 3> kNames = {"DEFAULT", "STRICT", "FAST"};
  return Pick(kNames, profile);
}

std::string_view Name(Cause cause) {
  static constexpr std::array<std::string_view, 7> kNames = {
      "NONE",      "LEFT",           "STREAM_ENDED", "HEARTBEATS_STOPPED",
      "LOCK_FREE", "PROCESS_EXITED", "SUPERSEDED"};
  return Pick(kNames, cause);
}

std::string_view Name(Evidence evidence) {
  static constexpr std::array<std::string_view, 4> kNames = {"NONE", "CERTAIN", "STRONG", "WEAK"};
  return Pick(kNames, evidence);
}

std::string_view Name(SelfState state) {
  static constexpr std::array<std::string_view, 6> kNames = {"JOINING", "ALIVE", "SUSPENDED",
                                                             "LOST",    "LEFT",  "REFUSED"};
  return Pick(kNames, state);
}

std::string_view Name(EventKind kind) {
  static constexpr std::array<std::string_view, 11> kNames = {
      "UNKNOWN",       "POD_REGISTERED", "POD_SUSPECTED",   "POD_REFUTED",
      "POD_MOVED",     "POD_DIED",       "POD_LEFT",        "WORK_CLAIMED",
      "WORK_RELEASED", "WORK_COMPLETED", "WORK_QUARANTINED"};
  return Pick(kNames, kind);
}

std::string_view Name(WorkState state) {
  static constexpr std::array<std::string_view, 5> kNames = {"UNKNOWN", "OWNED", "RELEASED",
                                                             "COMPLETED", "QUARANTINED"};
  return Pick(kNames, state);
}

std::string_view Name(RecoveryPolicy policy) {
  static constexpr std::array<std::string_view, 4> kNames = {"UNKNOWN", "COMPETE", "ASSIGN",
                                                             "STICKY"};
  return Pick(kNames, policy);
}

std::string_view Name(StartOutcome outcome) {
  static constexpr std::array<std::string_view, 7> kNames = {
      "UNKNOWN", "STARTED", "OWNED", "ORPHANED", "COMPLETED", "RELEASED", "QUARANTINED"};
  return Pick(kNames, outcome);
}

std::string_view Name(ClaimOutcome outcome) {
  static constexpr std::array<std::string_view, 5> kNames = {"UNKNOWN", "CLAIMED", "LOST",
                                                             "RESERVED", "QUARANTINED"};
  return Pick(kNames, outcome);
}

std::string_view Name(TaskEnd end) {
  static constexpr std::array<std::string_view, 6> kNames = {"UNKNOWN",  "COMPLETED", "FAILED",
                                                             "RELEASED", "KEPT",      "LOST"};
  return Pick(kNames, end);
}

}  // namespace vigil::client
