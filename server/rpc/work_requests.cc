#include "rpc/work_requests.h"

#include "core/errors.h"
#include "core/validate.h"
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

}  // namespace

Result<void> Check(const v1::StartWorkRequest& request) {
  return CheckCaller(request).and_then([&] { return CheckPayload("payload", request.payload()); });
}

Result<void> Check(const v1::CheckpointWorkRequest& request) {
  return CheckHolder(request).and_then(
      [&] { return CheckPayload("checkpoint", request.checkpoint()); });
}

Result<void> Check(const v1::CompleteWorkRequest& request) {
  return CheckHolder(request).and_then([&] { return CheckPayload("result", request.result()); });
}

Result<void> Check(const v1::ReleaseWorkRequest& request) { return CheckHolder(request); }

Result<void> Check(const v1::ClaimWorkRequest& request) {
  Result<void> checked = CheckCaller(request).and_then(
      [&] { return CheckFence("expected_fence", request.expected_fence()); });
  if (checked && request.expected_owner() != 0) {
    checked = CheckIncarnation("expected_owner", request.expected_owner());
  }
  return checked;
}

Result<void> Check(const v1::ClaimOrphansRequest& request) {
  Result<void> checked = CheckNamespace(request.namespace_()).and_then([&] {
    return CheckIncarnation("incarnation", request.incarnation());
  });
  if (checked && request.limit() > kLargestClaim) {
    checked = Fail(InvalidField("limit", "must be at most 100"));
  }
  return checked;
}

Result<void> Check(const v1::GetWorkRequest& request) {
  return CheckNamespace(request.namespace_()).and_then([&] { return CheckWorkKey(request.key()); });
}

Result<void> Check(const v1::ListWorkRequest& request) {
  Result<void> checked = CheckNamespace(request.namespace_());
  if (checked && request.owner() != 0) checked = CheckIncarnation("owner", request.owner());
  if (checked) checked = PageSize(request.page_size()).map([](uint32_t) {});
  // A page token is the last key of the page before.
  if (checked && !request.page_token().empty() && !CheckWorkKey(request.page_token())) {
    checked = Fail(InvalidField("page_token", "must be next_page_token of the response before"));
  }
  return checked;
}

}  // namespace vigil
