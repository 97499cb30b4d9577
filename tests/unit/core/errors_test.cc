// The errors agree with the contract.
#include "core/errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "vigil/v1/errors.pb.h"
#include "vigil/v1/pod_event_service.pb.h"
#include "vigil/v1/types.pb.h"

namespace vigil {
namespace {

// The names of a contract's enum without their prefix, and without the one that is never sent.
std::set<std::string_view> NamesOf(const google::protobuf::EnumDescriptor& descriptor,
                                   std::string_view prefix) {
  std::set<std::string_view> names;
  for (int i = 0; i < descriptor.value_count(); ++i) {
    std::string_view name = descriptor.value(i)->name();
    EXPECT_EQ(name.substr(0, prefix.size()), prefix);
    if (descriptor.value(i)->number() != 0) names.insert(name.substr(prefix.size()));
  }
  return names;
}

TEST(Errors, ReasonsAreThoseOfTheContract) {
  const std::set<std::string_view> ours{reason::kInvalidField,         reason::kInvalidCursor,
                                        reason::kProtocolViolation,    reason::kPodNameTaken,
                                        reason::kPodNotFound,          reason::kIncarnationEnded,
                                        reason::kSessionTokenInvalid,  reason::kSessionTaken,
                                        reason::kWorkNotFound,         reason::kFenced,
                                        reason::kOwnerAlive,           reason::kWorkCompleted,
                                        reason::kLimitReached,         reason::kDatabaseUnavailable,
                                        reason::kOutcomeUnknown,       reason::kDraining,
                                        reason::kCoordinatorUntrusted, reason::kInternal,
                                        reason::kStreamIdle,           reason::kCallerUnknown,
                                        reason::kNotGranted,           reason::kIdentityMismatch};
  EXPECT_EQ(ours, NamesOf(*v1::ErrorReason_descriptor(), "ERROR_REASON_"));
  EXPECT_EQ(Error{}.reason, reason::kInternal);
}

TEST(Errors, NamesAreThoseOfTheContract) {
  std::set<std::string_view> states;
  for (auto state : {PodState::kAlive, PodState::kSuspect, PodState::kDead, PodState::kLeft}) {
    states.insert(Name(state));
  }
  EXPECT_EQ(states, NamesOf(*v1::PodState_descriptor(), "POD_STATE_"));

  std::set<std::string_view> causes;
  for (auto cause : {Cause::kLeft, Cause::kStreamEnded, Cause::kHeartbeatsStopped, Cause::kLockFree,
                     Cause::kProcessExited, Cause::kSuperseded}) {
    causes.insert(Name(cause));
  }
  EXPECT_EQ(causes, NamesOf(*v1::Cause_descriptor(), "CAUSE_"));

  std::set<std::string_view> kinds;
  for (const EventKind kind : kAllEventKinds) kinds.insert(Name(kind));
  EXPECT_EQ(kinds, NamesOf(*v1::EventKind_descriptor(), "EVENT_KIND_"));
}

// One row of the contract's table: the code of a reason and the metadata that it lists.
struct Row {
  Error error;
  std::string_view reason;
  Code code;
  std::vector<std::string> metadata;
};

TEST(Errors, EachHasItsCodeItsMetadataAndAHint) {
  const Incarnation pod{7};
  const Row rows[] = {
      {InvalidField("name", "x"), reason::kInvalidField, Code::kInvalidArgument, {"field"}},
      {InvalidCursor("x"), reason::kInvalidCursor, Code::kInvalidArgument, {}},
      {ProtocolViolation("x"), reason::kProtocolViolation, Code::kInvalidArgument, {}},
      {PodNameTaken("x", pod), reason::kPodNameTaken, Code::kAlreadyExists, {"incarnation"}},
      {PodNotFound("x"), reason::kPodNotFound, Code::kNotFound, {}},
      {IncarnationEnded(pod, PodState::kDead, Cause::kLockFree),
       reason::kIncarnationEnded,
       Code::kFailedPrecondition,
       {"incarnation", "cause"}},
      {SessionTokenInvalid(pod), reason::kSessionTokenInvalid, Code::kPermissionDenied, {}},
      {SessionTaken(SessionNumber{3}), reason::kSessionTaken, Code::kAborted, {"session"}},
      {WorkNotFound("x"), reason::kWorkNotFound, Code::kNotFound, {}},
      {Fenced("x", pod, Fence{2}), reason::kFenced, Code::kFailedPrecondition, {"owner", "fence"}},
      {OwnerAlive("x", pod, Fence{2}),
       reason::kOwnerAlive,
       Code::kFailedPrecondition,
       {"owner", "fence"}},
      {WorkCompleted("x"), reason::kWorkCompleted, Code::kFailedPrecondition, {}},
      {LimitReached("pods", "x"), reason::kLimitReached, Code::kResourceExhausted, {"limit"}},
      {DatabaseUnavailable("x"), reason::kDatabaseUnavailable, Code::kUnavailable, {}},
      {OutcomeUnknown("x"), reason::kOutcomeUnknown, Code::kUnavailable, {}},
      {CoordinatorDraining(), reason::kDraining, Code::kUnavailable, {}},
      {CoordinatorUntrusted("x"), reason::kCoordinatorUntrusted, Code::kUnavailable, {}},
      {StreamIdle("x"), reason::kStreamIdle, Code::kDeadlineExceeded, {}},
      {CallerUnknown("x"), reason::kCallerUnknown, Code::kUnauthenticated, {}},
      {NotGranted("x", "GetPod", "y", "member"),
       reason::kNotGranted,
       Code::kPermissionDenied,
       {"roles"}},
      {IdentityMismatch(pod), reason::kIdentityMismatch, Code::kPermissionDenied, {"incarnation"}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.reason);
    EXPECT_TRUE(row.error.Is(row.reason));
    EXPECT_EQ(row.error.code, row.code);
    EXPECT_FALSE(row.error.message.empty());
    EXPECT_FALSE(row.error.hint.empty());
    std::vector<std::string> metadata;
    for (const auto& [name, value] : row.error.metadata) {
      EXPECT_FALSE(value.empty());
      metadata.push_back(name);
    }
    EXPECT_EQ(metadata, row.metadata);
  }
}

TEST(Errors, SayWhatTheyAreAbout) {
  EXPECT_THAT(InvalidField("lease", "must be from 0.5 s").message, ::testing::HasSubstr("lease"));
  Error ended = IncarnationEnded(Incarnation{7}, PodState::kDead, Cause::kLockFree);
  EXPECT_THAT(ended.metadata, ::testing::ElementsAre(::testing::Pair("incarnation", "7"),
                                                     ::testing::Pair("cause", "LOCK_FREE")));
  EXPECT_THAT(Fenced("a", Incarnation{7}, Fence{2}).metadata,
              ::testing::ElementsAre(::testing::Pair("owner", "7"), ::testing::Pair("fence", "2")));
}

}  // namespace
}  // namespace vigil
