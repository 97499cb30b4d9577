#include "vigil/work.h"

#include <algorithm>
#include <atomic>

#include "call.h"
#include "convert.h"
#include "core.h"
#include "random_id.h"
#include "vigil/boot_clock.h"
#include "vigil/v1/work_service.pb.h"

namespace vigil::client {
namespace {

static_assert(static_cast<int>(StartOutcome::kQuarantined) == v1::START_OUTCOME_QUARANTINED);
static_assert(static_cast<int>(ClaimOutcome::kQuarantined) == v1::CLAIM_OUTCOME_QUARANTINED);

// What a call of the owner's carries.
template <class Request>
Request OwnerRequest(const std::string& ns, Incarnation caller, std::string_view key, Fence fence) {
  Request request;
  request.set_namespace_(ns);
  request.set_key(std::string(key));
  request.set_incarnation(caller.value());
  request.set_fence(fence.value());
  return request;
}

void Set(v1::StartWorkRequest& request, const WorkTraits& traits) {
  request.set_kind(traits.kind);
  request.mutable_labels()->insert(traits.labels.begin(), traits.labels.end());
  request.set_policy(static_cast<v1::RecoveryPolicy>(traits.policy));
  request.mutable_selector()->insert(traits.selector.begin(), traits.selector.end());
  if (traits.sticky_wait != Duration::zero()) {
    *request.mutable_sticky_wait() = ToProto(traits.sticky_wait);
  }
  request.set_max_adoptions(traits.max_adoptions);
}

template <class Request>
void Set(Request& request, const WorkChoice& choice) {
  request.mutable_kinds()->Assign(choice.kinds.begin(), choice.kinds.end());
  request.mutable_labels()->insert(choice.labels.begin(), choice.labels.end());
}

WorkItem Item(const auto& response) { return FromProto(response.item()); }

template <class Request, class Response>
using Rpc = grpc::Status (v1::WorkService::Stub::*)(grpc::ClientContext*, const Request&,
                                                    Response*);

template <class Request, class Response>
Result<Response> CallWork(Core& core, const AliveUntil& alive_until, Rpc<Request, Response> rpc,
                          const Request& request) {
  return Call<Response>(
      core,
      [&](Link& link, auto& context, Response* response) {
        return ((*link.work).*rpc)(&context, request, response);
      },
      alive_until);
}

// Larger than all before, of all processes on this machine: the later of two calls wins, whichever
// arrives last.
std::uint64_t NextCheckpointNumber() {
  static std::atomic<std::uint64_t> last = 0;
  const auto now = static_cast<std::uint64_t>(BootClock::now().time_since_epoch().count());
  std::uint64_t before = last;
  std::uint64_t next = 0;
  do {
    next = std::max(before + 1, now);
  } while (!last.compare_exchange_weak(before, next));
  return next;
}

}  // namespace

Work::Work(const Client& client, std::string ns) : core_(client.core_), ns_(std::move(ns)) {}

Work Work::While(std::function<std::optional<Time>()> alive_until) const {
  Work bounded = *this;
  bounded.alive_until_ = std::move(alive_until);
  return bounded;
}

Result<Started> Work::Start(Incarnation caller, std::string_view key, std::string_view payload,
                            const WorkTraits& traits) const {
  v1::StartWorkRequest request;
  request.set_namespace_(ns_);
  request.set_key(std::string(key));
  request.set_incarnation(caller.value());
  request.set_payload(std::string(payload));
  Set(request, traits);
  request.set_request_id(RandomId());
  return CallWork(*core_, alive_until_, &v1::WorkService::Stub::StartWork, request)
      .map([](const v1::StartWorkResponse& response) {
        return Started{static_cast<StartOutcome>(response.outcome()), FromProto(response.item())};
      });
}

Result<WorkItem> Work::Checkpoint(Incarnation caller, std::string_view key, Fence fence,
                                  std::string_view checkpoint) const {
  auto request = OwnerRequest<v1::CheckpointWorkRequest>(ns_, caller, key, fence);
  request.set_checkpoint(std::string(checkpoint));
  request.set_number(NextCheckpointNumber());
  return CallWork(*core_, alive_until_, &v1::WorkService::Stub::CheckpointWork, request)
      .map(Item<v1::CheckpointWorkResponse>);
}

Result<WorkItem> Work::Complete(Incarnation caller, std::string_view key, Fence fence,
                                std::string_view result) const {
  auto request = OwnerRequest<v1::CompleteWorkRequest>(ns_, caller, key, fence);
  request.set_result(std::string(result));
  return CallWork(*core_, alive_until_, &v1::WorkService::Stub::CompleteWork, request)
      .map(Item<v1::CompleteWorkResponse>);
}

Result<WorkItem> Work::Release(Incarnation caller, std::string_view key, Fence fence) const {
  const auto request = OwnerRequest<v1::ReleaseWorkRequest>(ns_, caller, key, fence);
  return CallWork(*core_, alive_until_, &v1::WorkService::Stub::ReleaseWork, request)
      .map(Item<v1::ReleaseWorkResponse>);
}

Result<WorkItem> Work::Fail(Incarnation caller, std::string_view key, Fence fence,
                            std::string_view reason) const {
  auto request = OwnerRequest<v1::FailWorkRequest>(ns_, caller, key, fence);
  request.set_reason(std::string(reason));
  return CallWork(*core_, alive_until_, &v1::WorkService::Stub::FailWork, request)
      .map(Item<v1::FailWorkResponse>);
}

Result<WorkItem> Work::Transfer(Incarnation caller, std::string_view key, Fence fence,
                                std::string_view to_name) const {
  auto request = OwnerRequest<v1::TransferWorkRequest>(ns_, caller, key, fence);
  request.set_to_name(std::string(to_name));
  return CallWork(*core_, alive_until_, &v1::WorkService::Stub::TransferWork, request)
      .map(Item<v1::TransferWorkResponse>);
}

Result<Claimed> Work::Claim(Incarnation caller, std::string_view key, Incarnation expected_owner,
                            Fence expected_fence) const {
  v1::ClaimWorkRequest request;
  request.set_namespace_(ns_);
  request.set_key(std::string(key));
  request.set_incarnation(caller.value());
  request.set_expected_owner(expected_owner.value());
  request.set_expected_fence(expected_fence.value());
  return CallWork(*core_, alive_until_, &v1::WorkService::Stub::ClaimWork, request)
      .map([](const v1::ClaimWorkResponse& response) {
        return Claimed{static_cast<ClaimOutcome>(response.outcome()), FromProto(response.item())};
      });
}

Result<std::vector<WorkItem>> Work::ClaimOrphans(Incarnation caller, std::uint32_t limit,
                                                 const WorkChoice& choice) const {
  v1::ClaimOrphansRequest request;
  request.set_namespace_(ns_);
  request.set_incarnation(caller.value());
  request.set_limit(limit);
  Set(request, choice);
  request.set_request_id(RandomId());
  return CallWork(*core_, alive_until_, &v1::WorkService::Stub::ClaimOrphans, request)
      .map([](const v1::ClaimOrphansResponse& response) {
        return FromProtos<WorkItem>(response.items());
      });
}

Result<WorkItem> Work::ReleaseQuarantined(std::string_view key, Fence fence) const {
  v1::ReleaseQuarantinedWorkRequest request;
  request.set_namespace_(ns_);
  request.set_key(std::string(key));
  request.set_fence(fence.value());
  return CallWork(*core_, alive_until_, &v1::WorkService::Stub::ReleaseQuarantinedWork, request)
      .map(Item<v1::ReleaseQuarantinedWorkResponse>);
}

Result<WorkItem> Work::Get(std::string_view key) const {
  v1::GetWorkRequest request;
  request.set_namespace_(ns_);
  request.set_key(std::string(key));
  return CallWork(*core_, alive_until_, &v1::WorkService::Stub::GetWork, request)
      .map(Item<v1::GetWorkResponse>);
}

Result<WorkPage> Work::List(const WorkQuery& query) const {
  v1::ListWorkRequest request;
  request.set_namespace_(ns_);
  request.set_owner(query.owner.value());
  request.set_claimable_only(query.claimable_only);
  request.set_include_completed(query.include_completed);
  request.set_quarantined_only(query.quarantined_only);
  Set(request, query.choice);
  request.set_page_size(query.page_size);
  request.set_page_token(query.page_token);
  return CallWork(*core_, alive_until_, &v1::WorkService::Stub::ListWork, request)
      .map([](const v1::ListWorkResponse& response) {
        return WorkPage{FromProtos<WorkItem>(response.items()), response.next_page_token()};
      });
}

}  // namespace vigil::client
