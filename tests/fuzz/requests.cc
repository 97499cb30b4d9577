// The readers of requests. An input is a byte that chooses the message, and the message as protobuf
// has it on the wire.
#include <google/protobuf/stubs/logging.h>

#include <string_view>
#include <variant>

#include "core/validate.h"
#include "fuzz/bounds.h"
#include "fuzz/property.h"
#include "rpc/convert.h"
#include "rpc/page_size.h"
#include "rpc/work_requests.h"

namespace vigil {
namespace {

void RequireWithinBounds(const RegisterMessage& message) {
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  RequireNamespace(message.ns);
  RequireText(message.name, 253);
  RequireSecret(message.registration_id);
  RequireLabels(message.labels);
  if (!message.supersede_key.empty()) RequireSecret(message.supersede_key);
  Require(message.wait_for_name >= seconds(0) && message.wait_for_name <= seconds(300),
          "nobody waits for a name for more than 5 min");
  if (!message.lease) return;
  Require(*message.lease >= milliseconds(500) && *message.lease <= seconds(60),
          "a lease is 0.5 s to 60 s");
}

void RequireWithinBounds(const ResumeMessage& message) {
  RequireNamespace(message.ns);
  RequireNumber(message.incarnation.value);
  RequireText(message.session_token, 128);
}

// Nothing of them is bounded.
void RequireWithinBounds(const HeartbeatMessage&) {}
void RequireWithinBounds(const LeaveMessage&) {}
void RequireWithinBounds(const DetachMessage&) {}

void RequireWithinBounds(const PodMessage& message) {
  std::visit([](const auto& one) { RequireWithinBounds(one); }, message);
}

// What they ask of a request about an item that was accepted.
template <typename Request>
void RequireCaller(const Request& request) {
  RequireNamespace(request.namespace_());
  RequireText(request.key(), 512);
  RequireNumber(request.incarnation());
}

void RequireRequestId(std::string_view id) {
  Require(id.size() <= 64, "a request's id has at most 64 bytes");
  Require(std::ranges::all_of(id, [](char c) { return c > ' ' && c < '\x7f'; }),
          "a request's id is printable ASCII without a space");
}

void RequireChoice(const WorkChoice& choice) {
  Require(choice.kinds.size() <= 32, "there are at most 32 kinds");
  for (const std::string& kind : choice.kinds) RequireNamespace(kind);  // of the same form
  RequireLabels(choice.labels);
}

void RequireWithinBounds(const NewWork& work) {
  RequireNamespace(work.ns);
  RequireText(work.key, 512);
  RequireNumber(work.starter.value);
  Require(work.payload.size() <= kLargestPayload, "a payload is bounded");
  RequireRequestId(work.request_id);
  const WorkTraits& traits = work.traits;
  if (!traits.kind.empty()) RequireNamespace(traits.kind);
  RequireLabels(traits.labels);
  RequireLabels(traits.selector);
  Require(traits.selector.empty() == (traits.policy != RecoveryPolicy::kAssign),
          "only ASSIGN has a selector");
  Require(
      (traits.sticky_wait >= std::chrono::seconds(1)) == (traits.policy == RecoveryPolicy::kSticky),
      "STICKY waits, and no other policy");
  Require(traits.sticky_wait <= std::chrono::hours(24), "nobody waits for more than a day");
  Require(traits.max_adoptions >= 1 && traits.max_adoptions <= 1'000'000, "adoptions are bounded");
}

void RequireWithinBounds(const v1::CheckpointWorkRequest& request) {
  RequireCaller(request);
  RequireNumber(request.fence());
  Require(request.checkpoint().size() <= kLargestPayload, "a checkpoint is bounded");
  Require(request.number() <= uint64_t{INT64_MAX}, "a number fits the database");
}

void RequireWithinBounds(const v1::CompleteWorkRequest& request) {
  RequireCaller(request);
  RequireNumber(request.fence());
  Require(request.result().size() <= kLargestPayload, "a result is bounded");
}

void RequireWithinBounds(const v1::ReleaseWorkRequest& request) {
  RequireCaller(request);
  RequireNumber(request.fence());
}

void RequireWithinBounds(const v1::ClaimWorkRequest& request) {
  RequireCaller(request);
  RequireNumber(request.expected_fence());
  Require(request.expected_owner() <= uint64_t{INT64_MAX}, "an owner is none, or a number");
}

void RequireWithinBounds(const OrphansClaim& claim) {
  RequireNamespace(claim.ns);
  RequireNumber(claim.claimant.value);
  Require(claim.limit >= 1 && claim.limit <= kLargestClaim, "1 to 100 orphans are claimed at once");
  RequireChoice(claim.choice);
  RequireRequestId(claim.request_id);
}

void RequireWithinBounds(const v1::FailWorkRequest& request) {
  RequireCaller(request);
  RequireNumber(request.fence());
  RequireText(request.reason(), 512);
}

void RequireWithinBounds(const v1::TransferWorkRequest& request) {
  RequireCaller(request);
  RequireNumber(request.fence());
  RequireText(request.to_name(), 253);
}

void RequireWithinBounds(const v1::ReleaseQuarantinedWorkRequest& request) {
  RequireNamespace(request.namespace_());
  RequireText(request.key(), 512);
  RequireNumber(request.fence());
}

void RequireWithinBounds(const v1::GetWorkRequest& request) {
  RequireNamespace(request.namespace_());
  RequireText(request.key(), 512);
}

void RequireWithinBounds(const v1::ListWorkRequest& request) {
  RequireNamespace(request.namespace_());
  Require(request.owner() <= uint64_t{INT64_MAX}, "an owner is any, or a number");
  Require(request.page_size() <= kLargestPage, "a page is bounded");
  if (!request.page_token().empty()) RequireText(request.page_token(), 512);
  RequireChoice(FilterOf(request).choice);
}

template <typename Message>
bool Decode(std::string_view wire, Message& message) {
  return message.ParseFromArray(wire.data(), static_cast<int>(wire.size()));
}

template <typename Message>
void TryRead(std::string_view wire) {
  Message message;
  if (!Decode(wire, message)) return;
  const auto read = FromProto(message);
  if (read) {
    RequireWithinBounds(*read);
  } else {
    RequireRefusal(read.error());
  }
}

template <typename Message>
void TryCheck(std::string_view wire) {
  Message message;
  if (!Decode(wire, message)) return;
  if (const auto checked = Check(message)) {
    RequireWithinBounds(message);
  } else {
    RequireRefusal(checked.error());
  }
}

// By an input's first byte. What is added comes last, so that the kept inputs go on meaning what
// they mean.
constexpr void (*kReaders[])(std::string_view wire) = {
    TryRead<v1::SubscribeRequest>,
    TryRead<v1::SessionRequest>,
    TryRead<v1::StartWorkRequest>,
    TryCheck<v1::CheckpointWorkRequest>,
    TryCheck<v1::CompleteWorkRequest>,
    TryCheck<v1::ReleaseWorkRequest>,
    TryCheck<v1::ClaimWorkRequest>,
    TryRead<v1::ClaimOrphansRequest>,
    TryCheck<v1::GetWorkRequest>,
    TryCheck<v1::ListWorkRequest>,
    TryCheck<v1::FailWorkRequest>,
    TryCheck<v1::TransferWorkRequest>,
    TryCheck<v1::ReleaseQuarantinedWorkRequest>,
};

}  // namespace
}  // namespace vigil

// Protobuf would write a line about every text that is no UTF-8.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  google::protobuf::SetLogHandler(nullptr);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || data[0] >= std::size(vigil::kReaders)) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  vigil::kReaders[data[0]](input.substr(1));
  return 0;
}
