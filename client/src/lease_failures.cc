#include "lease_failures.h"

#include <string>

#include "own_error.h"

namespace vigil::client {
namespace {

std::string Milliseconds(Duration duration) {
  return std::to_string(duration / std::chrono::milliseconds(1)) + " ms";
}

}  // namespace

bool IsRefusal(const Error& error) {
  switch (error.reason) {
    case Reason::kInvalidField:
    case Reason::kProtocolViolation:
    case Reason::kPodNameTaken:
    case Reason::kPodNotFound:
    case Reason::kSessionTokenInvalid:
    case Reason::kLimitReached:
    case Reason::kDatabaseUnavailable:
    case Reason::kDraining:
    case Reason::kCoordinatorUntrusted:
    case Reason::kStreamIdle:
    case Reason::kCallerUnknown:
    case Reason::kNotGranted:
    case Reason::kIdentityMismatch:
      return true;
    default:
      return false;
  }
}

bool IsOfOneCoordinator(const Error& error) {
  switch (error.reason) {
    case Reason::kDraining:
    case Reason::kLimitReached:
    case Reason::kDatabaseUnavailable:
    case Reason::kCoordinatorUntrusted:
      return true;
    default:
      return false;
  }
}

bool HasCause(const Error& error, std::string_view cause) {
  const auto found = error.metadata.find("cause");
  return found != error.metadata.end() && found->second == cause;
}

Error Silence(std::string_view message) {
  return MakeError(Code::kDeadlineExceeded, message,
                   "Look at the coordinator and at the network between it and this pod.");
}

Error LeaseEnded(const Error& last_failure) {
  std::string message = "the lease ended before a coordinator renewed it";
  if (!last_failure.message.empty()) message += "; the last failure: " + last_failure.message;
  return MakeError(Code::kDeadlineExceeded, message,
                   "Stop the work; register again for a new incarnation.");
}

Error Paused(Duration length) {
  return MakeError(Code::kAborted, "the process was paused for " + Milliseconds(length),
                   "Look for what stopped the process or its machine, or keeps the CPU from it.");
}

Error WatchdogStarved(Duration watchdog) {
  return {Code::kAborted,
          Reason::kWatchdogStarved,
          "the application did not feed its watchdog for " + Milliseconds(watchdog),
          "Look for what hangs; end the process, or register again for a new incarnation.",
          {}};
}

}  // namespace vigil::client
