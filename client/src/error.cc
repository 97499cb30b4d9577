#include "vigil/error.h"

#include "own_error.h"

namespace vigil::client {

bool IsRetryable(const Error& error) {
  switch (error.reason) {
    case Reason::kSessionTaken:  // the next session is newer than the one that took it
    case Reason::kLimitReached:
    case Reason::kDatabaseUnavailable:
    case Reason::kOutcomeUnknown:
    case Reason::kDraining:
    case Reason::kCoordinatorUntrusted:
    case Reason::kStreamIdle:
      return true;
    case Reason::kNone:
    case Reason::kUnrecognized:
      break;
    default:
      return false;
  }
  switch (error.code) {
    case Code::kUnavailable:
    case Code::kDeadlineExceeded:
      return true;
    // What gRPC makes of a stream that was cut, when no coordinator said more.
    case Code::kCancelled:
    case Code::kUnknown:
    case Code::kInternal:
    case Code::kAborted:
      return error.reason == Reason::kNone;
    default:
      return false;
  }
}

Error MakeError(Code code, std::string_view message, std::string_view hint) {
  return {code, Reason::kNone, std::string(message), std::string(hint), {}};
}

std::string Describe(const Error& error) {
  std::string text(Name(error.code));
  if (error.reason == Reason::kUnrecognized) {
    text += " (" + error.metadata.at("reason") + ")";
  } else if (error.reason != Reason::kNone) {
    text += " (" + std::string(Name(error.reason)) + ")";
  }
  return text + ": " + error.message;
}

}  // namespace vigil::client
