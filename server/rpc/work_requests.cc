#include "rpc/work_requests.h"

#include <chrono>
#include <utility>

#include "core/errors.h"
#include "core/validate.h"
#include "rpc/convert_times.h"
#include "rpc/page_size.h"

namespace vigil {
namespace {

// What every change names: the item and the caller.
template <typename Request>
Result<void> CheckCaller(const Request& request) {
  return CheckNamespace(request.namespace_())
      .and_then([&] { return CheckWorkKey(request.key()); })
      .and_then([&] { return CheckIncarnation("incarnation", request.incarnation()); });
}

template <typename Request>
Result<void> CheckHolder(const Request& request) {
  return CheckCaller(request).and_then([&] { return CheckFence("fence", request.fence()); });
}

Result<RecoveryPolicy> ReadPolicy(v1::RecoveryPolicy policy) {
  switch (policy) {
    case v1::RECOVERY_POLICY_UNSPECIFIED:
    case v1::RECOVERY_POLICY_COMPETE:
      return RecoveryPolicy::kCompete;
    case v1::RECOVERY_POLICY_ASSIGN:
      return RecoveryPolicy::kAssign;
    case v1::RECOVERY_POLICY_STICKY:
      return RecoveryPolicy::kSticky;
    default:
      return Fail(InvalidField("policy", "must be COMPETE, ASSIGN or STICKY"));
  }
}

Result<WorkTraits> ReadTraits(const v1::StartWorkRequest& request) {
  WorkTraits traits{.kind = request.kind(),
                    .labels = {request.labels().begin(), request.labels().end()},
                    .selector = {request.selector().begin(), request.selector().end()},
                    .max_adoptions = request.max_adoptions()};
  const auto policy = ReadPolicy(request.policy());
  if (!policy) return Fail(policy.error());
  traits.policy = *policy;
  if (request.has_sticky_wait()) {
    const auto wait = Read(request.sticky_wait(), "sticky_wait", std::chrono::hours(24));
    if (!wait) return Fail(wait.error());
    traits.sticky_wait = *wait;
  } else if (traits.policy == RecoveryPolicy::kSticky) {
    traits.sticky_wait = kDefaultStickyWait;
  }
  if (traits.max_adoptions == 0) traits.max_adoptions = kDefaultAdoptions;
  if (const auto checked = CheckTraits(traits); !checked) return Fail(checked.error());
  return traits;
}

// What both ClaimOrphans and ListWork choose by.
template <typename Request>
WorkChoice ChoiceOf(const Request& request) {
  return {.kinds = {request.kinds().begin(), request.kinds().end()},
          .labels = {request.labels().begin(), request.labels().end()}};
}

Result<void> Check(const WorkChoice& choice) {
  return CheckKinds(choice.kinds).and_then([&] { return CheckLabels(choice.labels); });
}

}  // namespace

Result<NewWork> FromProto(const v1::StartWorkRequest& request) {
  const auto checked = CheckCaller(request)
                           .and_then([&] { return CheckPayload("payload", request.payload()); })
                           .and_then([&] { return CheckRequestId(request.request_id()); });
  if (!checked) return Fail(checked.error());
  auto traits = ReadTraits(request);
  if (!traits) return Fail(traits.error());
  return NewWork{.ns = request.namespace_(),
                 .key = request.key(),
                 .starter = {request.incarnation()},
                 .payload = request.payload(),
                 .traits = std::move(*traits),
                 .request_id = request.request_id()};
}

Result<OrphansClaim> FromProto(const v1::ClaimOrphansRequest& request) {
  OrphansClaim claim{.ns = request.namespace_(),
                     .claimant = {request.incarnation()},
                     .limit = request.limit() == 0 ? kDefaultClaim : request.limit(),
                     .choice = ChoiceOf(request),
                     .request_id = request.request_id()};
  Result<void> checked =
      CheckNamespace(claim.ns)
          .and_then([&] { return CheckIncarnation("incarnation", request.incarnation()); })
          .and_then([&] { return Check(claim.choice); })
          .and_then([&] { return CheckRequestId(claim.request_id); });
  if (checked && claim.limit > kLargestClaim) {
    checked = Fail(InvalidField("limit", "must be at most 100"));
  }
  if (!checked) return Fail(checked.error());
  return claim;
}

Result<void> Check(const v1::CheckpointWorkRequest& request) {
  return CheckHolder(request)
      .and_then([&] { return CheckPayload("checkpoint", request.checkpoint()); })
      .and_then([&] { return CheckCheckpointNumber(request.number()); });
}

Result<void> Check(const v1::CompleteWorkRequest& request) {
  return CheckHolder(request).and_then([&] { return CheckPayload("result", request.result()); });
}

Result<void> Check(const v1::ReleaseWorkRequest& request) { return CheckHolder(request); }

Result<void> Check(const v1::FailWorkRequest& request) {
  return CheckHolder(request).and_then([&] { return CheckReason(request.reason()); });
}

Result<void> Check(const v1::TransferWorkRequest& request) {
  return CheckHolder(request).and_then([&] { return CheckPodName(request.to_name(), "to_name"); });
}

Result<void> Check(const v1::ClaimWorkRequest& request) {
  Result<void> checked = CheckCaller(request).and_then(
      [&] { return CheckFence("expected_fence", request.expected_fence()); });
  if (checked && request.expected_owner() != 0) {
    checked = CheckIncarnation("expected_owner", request.expected_owner());
  }
  return checked;
}

Result<void> Check(const v1::ReleaseQuarantinedWorkRequest& request) {
  return CheckNamespace(request.namespace_())
      .and_then([&] { return CheckWorkKey(request.key()); })
      .and_then([&] { return CheckFence("fence", request.fence()); });
}

Result<void> Check(const v1::GetWorkRequest& request) {
  return CheckNamespace(request.namespace_()).and_then([&] { return CheckWorkKey(request.key()); });
}

Result<void> Check(const v1::ListWorkRequest& request) {
  Result<void> checked = CheckNamespace(request.namespace_());
  if (checked && request.owner() != 0) checked = CheckIncarnation("owner", request.owner());
  if (checked) checked = PageSize(request.page_size()).map([](uint32_t) {});
  if (checked) checked = Check(ChoiceOf(request));
  // A page token is the last key of the page before.
  if (checked && !request.page_token().empty() && !CheckWorkKey(request.page_token())) {
    checked = Fail(InvalidField("page_token", "must be next_page_token of the response before"));
  }
  return checked;
}

WorkFilter FilterOf(const v1::ListWorkRequest& request) {
  return {.owner = {request.owner()},
          .claimable_only = request.claimable_only(),
          .include_completed = request.include_completed(),
          .quarantined_only = request.quarantined_only(),
          .choice = ChoiceOf(request)};
}

}  // namespace vigil
