#include "core/errors.h"

#include <fmt/format.h>

namespace vigil {
namespace {

Error Make(Code code, std::string_view reason, std::string message, std::string hint,
           std::vector<std::pair<std::string, std::string>> metadata = {}) {
  return Error{code, reason, std::move(message), std::move(hint), std::move(metadata)};
}

std::string Text(uint64_t number) { return std::to_string(number); }

}  // namespace

Error InvalidField(std::string_view field, std::string_view expectation) {
  return Make(Code::kInvalidArgument, reason::kInvalidField,
              fmt::format("{}: {}", field, expectation),
              "Correct the field and send the call again.", {{"field", std::string(field)}});
}

Error InvalidCursor(std::string_view why) {
  return Make(
      Code::kInvalidArgument, reason::kInvalidCursor, fmt::format("after_cursor: {}", why),
      "Pass a cursor as it was received in this namespace, or start from now or from the oldest.");
}

Error ProtocolViolation(std::string_view what) {
  return Make(Code::kInvalidArgument, reason::kProtocolViolation, std::string(what),
              "Send Register or Resume first and once, then heartbeats, and Leave or Detach last.");
}

Error PodNameTaken(std::string_view name, Incarnation incumbent) {
  return Make(
      Code::kAlreadyExists, reason::kPodNameTaken,
      fmt::format("the pod {} lives as incarnation {}", name, incumbent.value),
      "Wait for its verdict with wait_for_name, choose another name, or stop the other process.",
      {{"incarnation", Text(incumbent.value)}});
}

Error PodNotFound(std::string_view what) {
  return Make(Code::kNotFound, reason::kPodNotFound, fmt::format("there is no pod {}", what),
              "Look at the namespace and the name; `vigil pods list --all` shows ended ones too.");
}

Error IncarnationEnded(Incarnation incarnation, PodState state, Cause cause) {
  const std::string_view hint =
      cause == Cause::kSuperseded
          ? "Stop its work and this process: another one with the same supersede_key has the name."
          : "Stop its work, which may be somebody else's now, and register again for a new "
            "incarnation.";
  return Make(Code::kFailedPrecondition, reason::kIncarnationEnded,
              fmt::format("incarnation {} is {} ({})", incarnation.value, Name(state), Name(cause)),
              std::string(hint),
              {{"incarnation", Text(incarnation.value)}, {"cause", std::string(Name(cause))}});
}

Error SessionTokenInvalid(Incarnation incarnation) {
  return Make(Code::kPermissionDenied, reason::kSessionTokenInvalid,
              fmt::format("the session token is not that of incarnation {}", incarnation.value),
              "Resume with the token that the registration returned, or register again.");
}

Error SessionTaken(SessionNumber current) {
  // Whoever hears it from the renewal of a coordinator does not know the new number.
  const std::string successor =
      current ? fmt::format("session {}", current.value) : "another coordinator";
  return Make(Code::kAborted, reason::kSessionTaken,
              fmt::format("this session was ended by {}", successor),
              "Close this stream and resume: the answer says how the incarnation stands.",
              {{"session", Text(current.value)}});
}

Error WorkNotFound(std::string_view key) {
  return Make(Code::kNotFound, reason::kWorkNotFound, fmt::format("there is no work item {}", key),
              "Look at the namespace and the key, or start the item.");
}

Error Fenced(std::string_view key, Incarnation owner, Fence fence) {
  return Make(Code::kFailedPrecondition, reason::kFenced,
              fmt::format("work item {} belongs to incarnation {} with fence {}", key, owner.value,
                          fence.value),
              "Stop working on it: it has changed hands.",
              {{"owner", Text(owner.value)}, {"fence", Text(fence.value)}});
}

Error OwnerAlive(std::string_view key, Incarnation owner, Fence fence) {
  return Make(Code::kFailedPrecondition, reason::kOwnerAlive,
              fmt::format("work item {} belongs to incarnation {}, which lives", key, owner.value),
              "Wait for the owner's POD_DIED or POD_LEFT event, then claim.",
              {{"owner", Text(owner.value)}, {"fence", Text(fence.value)}});
}

Error WorkCompleted(std::string_view key) {
  return Make(Code::kFailedPrecondition, reason::kWorkCompleted,
              fmt::format("work item {} is completed", key), "There is nothing left to do for it.");
}

Error LimitReached(std::string_view limit, std::string_view what) {
  return Make(Code::kResourceExhausted, reason::kLimitReached, std::string(what),
              "Try another coordinator or later, or raise the limit.",
              {{"limit", std::string(limit)}});
}

Error RequestQueueFull() {
  return LimitReached("request-queue", "this coordinator has too many requests waiting");
}

Error DatabaseUnavailable(std::string_view what) {
  return Make(Code::kUnavailable, reason::kDatabaseUnavailable, std::string(what),
              "Nothing was changed: try again, with back-off.");
}

Error OutcomeUnknown(std::string_view what) {
  return Make(Code::kUnavailable, reason::kOutcomeUnknown, std::string(what),
              "Send the same call again: it finds what it did.");
}

Error CoordinatorDraining() {
  return Make(Code::kUnavailable, reason::kDraining, "this coordinator is shutting down",
              "Use another coordinator.");
}

Error CoordinatorUntrusted(std::string_view why) {
  return Make(
      Code::kUnavailable, reason::kCoordinatorUntrusted, std::string(why),
      "Use another coordinator; this one serves again when its link to the database is back.");
}

Error StreamIdle(std::string_view what) {
  return Make(Code::kDeadlineExceeded, reason::kStreamIdle, std::string(what),
              "Send the first message as soon as the stream is open.");
}

Error CallerUnknown(std::string_view why) {
  return Make(Code::kUnauthenticated, reason::kCallerUnknown, std::string(why),
              "Show a certificate of an authority that this coordinator trusts, or a token that it "
              "knows.");
}

Error NotGranted(std::string_view caller, std::string_view rpc, std::string_view where,
                 std::string_view roles) {
  return Make(Code::kPermissionDenied, reason::kNotGranted,
              fmt::format("{} may not call {} in {}", caller, rpc, where),
              fmt::format("Have one of these roles granted to it there: {}.", roles),
              {{"roles", std::string(roles)}});
}

Error IdentityMismatch(Incarnation incarnation) {
  return Make(Code::kPermissionDenied, reason::kIdentityMismatch,
              fmt::format("incarnation {} belongs to another identity", incarnation.value),
              "Call as the identity that registered it, or register a pod of your own.",
              {{"incarnation", Text(incarnation.value)}});
}

Error MayNotHaveWork(std::string_view pod) {
  return Make(Code::kPermissionDenied, reason::kNotGranted,
              fmt::format("the pod {} may not have work: its identity may not claim any", pod),
              "Give it to another pod, or have the role claimer granted to that one's identity.",
              {{"roles", "claimer, operator"}});
}

std::string_view Name(PodState state) {
  switch (state) {
    case PodState::kAlive:
      return "ALIVE";
    case PodState::kSuspect:
      return "SUSPECT";
    case PodState::kDead:
      return "DEAD";
    case PodState::kLeft:
      return "LEFT";
  }
  return "";
}

std::string_view Name(Cause cause) {
  switch (cause) {
    case Cause::kNone:
      return "NONE";
    case Cause::kLeft:
      return "LEFT";
    case Cause::kStreamEnded:
      return "STREAM_ENDED";
    case Cause::kHeartbeatsStopped:
      return "HEARTBEATS_STOPPED";
    case Cause::kLockFree:
      return "LOCK_FREE";
    case Cause::kProcessExited:
      return "PROCESS_EXITED";
    case Cause::kSuperseded:
      return "SUPERSEDED";
  }
  return "";
}

std::string_view Name(EventKind kind) {
  switch (kind) {
    case EventKind::kPodRegistered:
      return "POD_REGISTERED";
    case EventKind::kPodSuspected:
      return "POD_SUSPECTED";
    case EventKind::kPodRefuted:
      return "POD_REFUTED";
    case EventKind::kPodMoved:
      return "POD_MOVED";
    case EventKind::kPodDied:
      return "POD_DIED";
    case EventKind::kPodLeft:
      return "POD_LEFT";
    case EventKind::kWorkClaimed:
      return "WORK_CLAIMED";
    case EventKind::kWorkReleased:
      return "WORK_RELEASED";
    case EventKind::kWorkCompleted:
      return "WORK_COMPLETED";
    case EventKind::kWorkQuarantined:
      return "WORK_QUARANTINED";
  }
  return "";
}

std::string_view Name(Evidence evidence) {
  switch (evidence) {
    case Evidence::kNone:
      return "";
    case Evidence::kCertain:
      return "CERTAIN";
    case Evidence::kStrong:
      return "STRONG";
    case Evidence::kWeak:
      return "WEAK";
  }
  return "";
}

}  // namespace vigil
