// How a call of this library fails.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace vigil::client {

// The canonical codes of gRPC, with their numbers.
enum class Code {
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

// Why a coordinator refused: `vigil.v1.ErrorReason`, with its numbers. The comments of
// proto/vigil/v1/errors.proto say what each means and which metadata it carries.
enum class Reason {
  kNone = 0,  // No coordinator said why: it was not reached, or something between here and there
              // answered.
  kInvalidField = 1,
  kInvalidCursor = 2,
  kProtocolViolation = 3,
  kPodNameTaken = 4,
  kPodNotFound = 5,
  kIncarnationEnded = 6,
  kSessionTokenInvalid = 7,
  kSessionTaken = 8,
  kWorkNotFound = 9,
  kFenced = 10,
  kOwnerAlive = 11,
  kWorkCompleted = 12,
  kLimitReached = 13,
  kDatabaseUnavailable = 14,
  kOutcomeUnknown = 15,
  kDraining = 16,
  kCoordinatorUntrusted = 17,
  kInternal = 18,
  kStreamIdle = 19,
  kCallerUnknown = 20,
  kNotGranted = 21,
  kIdentityMismatch = 22,
  kUnrecognized = -1,  // From a newer coordinator; its name is in the metadata `reason`.
  // Found by this library, not said by a coordinator: the pod's own watchdog was not fed.
  kWatchdogStarved = -2,
};

// Why something was not done, for programs (`code`, `reason`, `metadata`) and for people
// (`message`, `hint`). Programs branch on the reason, never on the text.
struct Error {
  Code code = Code::kUnknown;
  Reason reason = Reason::kNone;
  std::string message;
  // What to do next; never empty.
  std::string hint;
  // What the reason's comment in errors.proto lists.
  std::map<std::string, std::string> metadata;
};

// A value, or the reason why there is none.
template <class T>
using Result = tl::expected<T, Error>;

// "NOT_FOUND"
std::string_view Name(Code code);
// "POD_NAME_TAKEN"; "NONE" for kNone.
std::string_view Name(Reason reason);
// Whether the same call may succeed later or on another coordinator, with nothing changed by the
// caller.
bool IsRetryable(const Error& error);
// "NOT_FOUND (POD_NOT_FOUND): no pod web-1", for logs.
std::string Describe(const Error& error);

}  // namespace vigil::client
