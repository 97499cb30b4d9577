// Every refusal that the domain knows: its code, reason, sentence and hint in one place.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "core/types.h"

namespace vigil {

// The names of the reasons, as in the contract's ErrorReason without the prefix.
namespace reason {
inline constexpr std::string_view kInvalidField = "INVALID_FIELD";
inline constexpr std::string_view kInvalidCursor = "INVALID_CURSOR";
inline constexpr std::string_view kProtocolViolation = "PROTOCOL_VIOLATION";
inline constexpr std::string_view kPodNameTaken = "POD_NAME_TAKEN";
inline constexpr std::string_view kPodNotFound = "POD_NOT_FOUND";
inline constexpr std::string_view kIncarnationEnded = "INCARNATION_ENDED";
inline constexpr std::string_view kSessionTokenInvalid = "SESSION_TOKEN_INVALID";
inline constexpr std::string_view kSessionTaken = "SESSION_TAKEN";
inline constexpr std::string_view kWorkNotFound = "WORK_NOT_FOUND";
inline constexpr std::string_view kFenced = "FENCED";
inline constexpr std::string_view kOwnerAlive = "OWNER_ALIVE";
inline constexpr std::string_view kWorkCompleted = "WORK_COMPLETED";
inline constexpr std::string_view kLimitReached = "LIMIT_REACHED";
inline constexpr std::string_view kDatabaseUnavailable = "DATABASE_UNAVAILABLE";
inline constexpr std::string_view kOutcomeUnknown = "OUTCOME_UNKNOWN";
inline constexpr std::string_view kDraining = "DRAINING";
inline constexpr std::string_view kCoordinatorUntrusted = "COORDINATOR_UNTRUSTED";
inline constexpr std::string_view kInternal = "INTERNAL";
inline constexpr std::string_view kStreamIdle = "STREAM_IDLE";
inline constexpr std::string_view kCallerUnknown = "CALLER_UNKNOWN";
inline constexpr std::string_view kNotGranted = "NOT_GRANTED";
inline constexpr std::string_view kIdentityMismatch = "IDENTITY_MISMATCH";
}  // namespace reason

Error InvalidField(std::string_view field, std::string_view expectation);
Error InvalidCursor(std::string_view why);
Error ProtocolViolation(std::string_view what);
Error PodNameTaken(std::string_view name, Incarnation incumbent);
Error PodNotFound(std::string_view what);
Error IncarnationEnded(Incarnation incarnation, PodState state, Cause cause);
Error SessionTokenInvalid(Incarnation incarnation);
Error SessionTaken(SessionNumber current);
Error WorkNotFound(std::string_view key);
Error Fenced(std::string_view key, Incarnation owner, Fence fence);
Error OwnerAlive(std::string_view key, Incarnation owner, Fence fence);
Error WorkCompleted(std::string_view key);
Error LimitReached(std::string_view limit, std::string_view what);
Error RequestQueueFull();
Error DatabaseUnavailable(std::string_view what);
Error OutcomeUnknown(std::string_view what);
Error CoordinatorDraining();
Error CoordinatorUntrusted(std::string_view why);
Error StreamIdle(std::string_view what);
Error CallerUnknown(std::string_view why);
// `caller` are its identities, `where` the namespace in words; `roles` those of which one is
// enough.
Error NotGranted(std::string_view caller, std::string_view rpc, std::string_view where,
                 std::string_view roles);
Error IdentityMismatch(Incarnation incarnation);
Error MayNotHaveWork(std::string_view pod);

// The names in upper case, as the contract has them without the prefix: "ALIVE", "LOCK_FREE",
// "POD_DIED".
std::string_view Name(PodState state);
std::string_view Name(Cause cause);
std::string_view Name(EventKind kind);
// Empty for none.
std::string_view Name(Evidence evidence);

}  // namespace vigil
