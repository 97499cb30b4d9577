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
  Require(!message.session_token.empty() && message.session_token.size() <= 128,
          "a token has 1 to 128 bytes");
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

void RequireWithinBounds(const v1::StartWorkRequest& request) {
  RequireCaller(request);
  Require(request.payload().size() <= kLargestPayload, "a payload is bounded");
}

void RequireWithinBounds(const v1::CheckpointWorkRequest& request) {
  RequireCaller(request);
  RequireNumber(request.fence());
  Require(request.checkpoint().size() <= kLargestPayload, "a checkpoint is bounded");
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

void RequireWithinBounds(const v1::ClaimOrphansRequest& request) {
  RequireNamespace(request.namespace_());
  RequireNumber(request.incarnation());
  Require(request.limit() <= kLargestClaim, "at most 100 orphans are claimed at once");
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
    TryRead<v1::SubscribeRequest>,     TryRead<v1::SessionRequest>,
    TryCheck<v1::StartWorkRequest>,    TryCheck<v1::CheckpointWorkRequest>,
    TryCheck<v1::CompleteWorkRequest>, TryCheck<v1::ReleaseWorkRequest>,
    TryCheck<v1::ClaimWorkRequest>,    TryCheck<v1::ClaimOrphansRequest>,
    TryCheck<v1::GetWorkRequest>,      TryCheck<v1::ListWorkRequest>,
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
