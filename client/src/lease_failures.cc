#include "lease_failures.h"

#include <utility>

namespace vigil::client {

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
      return true;
    default:
      return false;
  }
}

Error Silence(std::string message) {
  return {Code::kDeadlineExceeded,
          Reason::kNone,
          std::move(message),
          "Look at the coordinator and at the network between it and this pod.",
          {}};
}

Error LeaseEnded(const Error& last_failure) {
  std::string message = "the lease ended before a coordinator renewed it";
  if (!last_failure.message.empty()) message += "; the last failure: " + last_failure.message;
  return {Code::kDeadlineExceeded,
          Reason::kNone,
          std::move(message),
          "Stop the work; register again for a new incarnation.",
          {}};
}

Error WatchdogStarved(Duration watchdog) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(watchdog).count();
  return {Code::kAborted,
          Reason::kWatchdogStarved,
          "the application did not feed its watchdog for " + std::to_string(ms) + " ms",
          "Look for what hangs; end the process, or register again for a new incarnation.",
          {}};
}

}  // namespace vigil::client
