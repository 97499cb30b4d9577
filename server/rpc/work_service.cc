#include <memory>

#include "core/validate.h"
#include "rpc/convert.h"
#include "rpc/services.h"
#include "rpc/unary.h"
#include "vigil/v1/work_service.grpc.pb.h"

namespace vigil {
namespace {

using Context = grpc::CallbackServerContext;
using Unary = grpc::ServerUnaryReactor;

v1::StartOutcome ToProto(StartOutcome outcome) {
  switch (outcome) {
    case StartOutcome::kStarted:
      return v1::START_OUTCOME_STARTED;
    case StartOutcome::kOwned:
      return v1::START_OUTCOME_OWNED;
    case StartOutcome::kOrphaned:
      return v1::START_OUTCOME_ORPHANED;
    case StartOutcome::kCompleted:
      return v1::START_OUTCOME_COMPLETED;
  }
  return v1::START_OUTCOME_UNSPECIFIED;
}

v1::ClaimOutcome ToProto(ClaimOutcome outcome) {
  return outcome == ClaimOutcome::kClaimed ? v1::CLAIM_OUTCOME_CLAIMED : v1::CLAIM_OUTCOME_LOST;
}

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

template <typename Request>
WorkHolder HolderOf(const Request& request) {
  return {request.namespace_(), request.key(), {request.incarnation()}, {request.fence()}};
}

template <typename Response>
std::function<void(WorkItem&&)> FillItem(Response* response) {
  return [response](WorkItem&& item) { *response->mutable_item() = vigil::ToProto(item); };
}

class WorkService final : public v1::WorkService::CallbackService {
 public:
  explicit WorkService(const RpcEnvironment& environment) : env_(environment) {}

  Unary* StartWork(Context* context, const v1::StartWorkRequest* request,
                   v1::StartWorkResponse* response) override {
    const auto checked =
        CheckCaller(*request).and_then([&] { return CheckPayload("payload", request->payload()); });
    return Answer<StartedWork>(
        context, env_.requests, checked,
        [request](Store& store) {
          return store.StartWork(request->namespace_(), request->key(), {request->incarnation()},
                                 request->payload());
        },
        [response](StartedWork&& started) {
          response->set_outcome(ToProto(started.outcome));
          *response->mutable_item() = vigil::ToProto(started.item);
        });
  }

  Unary* CheckpointWork(Context* context, const v1::CheckpointWorkRequest* request,
                        v1::CheckpointWorkResponse* response) override {
    const auto checked = CheckHolder(*request).and_then(
        [&] { return CheckPayload("checkpoint", request->checkpoint()); });
    return Answer<WorkItem>(
        context, env_.requests, checked,
        [request](Store& store) {
          return store.CheckpointWork(HolderOf(*request), request->checkpoint());
        },
        FillItem(response));
  }

  Unary* CompleteWork(Context* context, const v1::CompleteWorkRequest* request,
                      v1::CompleteWorkResponse* response) override {
    const auto checked =
        CheckHolder(*request).and_then([&] { return CheckPayload("result", request->result()); });
    return Answer<WorkItem>(
        context, env_.requests, checked,
        [request](Store& store) {
          return store.CompleteWork(HolderOf(*request), request->result());
        },
        FillItem(response));
  }

  Unary* ReleaseWork(Context* context, const v1::ReleaseWorkRequest* request,
                     v1::ReleaseWorkResponse* response) override {
    return Answer<WorkItem>(
        context, env_.requests, CheckHolder(*request),
        [request](Store& store) { return store.ReleaseWork(HolderOf(*request)); },
        FillItem(response));
  }

  Unary* ClaimWork(Context* context, const v1::ClaimWorkRequest* request,
                   v1::ClaimWorkResponse* response) override {
    Result<void> checked = CheckCaller(*request).and_then(
        [&] { return CheckFence("expected_fence", request->expected_fence()); });
    if (checked && request->expected_owner() != 0) {
      checked = CheckIncarnation("expected_owner", request->expected_owner());
    }
    return Answer<ClaimedWork>(
        context, env_.requests, checked,
        [request](Store& store) {
          return store.ClaimWork({request->namespace_(),
                                  request->key(),
                                  {request->incarnation()},
                                  {request->expected_owner()},
                                  {request->expected_fence()}});
        },
        [response](ClaimedWork&& claimed) {
          response->set_outcome(ToProto(claimed.outcome));
          *response->mutable_item() = vigil::ToProto(claimed.item);
        });
  }

  Unary* ClaimOrphans(Context* context, const v1::ClaimOrphansRequest* request,
                      v1::ClaimOrphansResponse* response) override {
    Result<void> checked = CheckNamespace(request->namespace_()).and_then([&] {
      return CheckIncarnation("incarnation", request->incarnation());
    });
    if (checked && request->limit() > kLargestClaim) {
      checked = Fail(InvalidField("limit", "must be at most 100"));
    }
    const uint32_t limit = request->limit() == 0 ? kDefaultClaim : request->limit();
    return Answer<std::vector<WorkItem>>(
        context, env_.requests, checked,
        [request, limit](Store& store) {
          return store.ClaimOrphans(request->namespace_(), {request->incarnation()}, limit);
        },
        [response](std::vector<WorkItem>&& items) {
          for (const auto& item : items) *response->add_items() = vigil::ToProto(item);
        });
  }

  Unary* GetWork(Context* context, const v1::GetWorkRequest* request,
                 v1::GetWorkResponse* response) override {
    const auto checked = CheckNamespace(request->namespace_()).and_then([&] {
      return CheckWorkKey(request->key());
    });
    return Answer<WorkItem>(
        context, env_.requests, checked,
        [request](Store& store) { return store.GetWork(request->namespace_(), request->key()); },
        FillItem(response));
  }

  Unary* ListWork(Context* context, const v1::ListWorkRequest* request,
                  v1::ListWorkResponse* response) override {
    const auto size = PageSize(request->page_size());
    Result<void> checked = CheckNamespace(request->namespace_());
    if (checked && request->owner() != 0) checked = CheckIncarnation("owner", request->owner());
    if (checked && !size) checked = Fail(size.error());
    // A page token is the last key of the page before.
    if (checked && !request->page_token().empty() && !CheckWorkKey(request->page_token())) {
      checked = Fail(InvalidField("page_token", "must be next_page_token of the response before"));
    }
    return Answer<WorkPage>(
        context, env_.requests, checked,
        [=](Store& store) {
          const WorkFilter filter{
              {request->owner()}, request->claimable_only(), request->include_completed()};
          return store.ListWork(request->namespace_(), filter, request->page_token(), *size);
        },
        [response](WorkPage&& page) {
          for (const auto& item : page.items) *response->add_items() = vigil::ToProto(item);
          if (page.more) response->set_next_page_token(page.items.back().key);
        });
  }

 private:
  static constexpr uint32_t kDefaultClaim = 10;
  static constexpr uint32_t kLargestClaim = 100;

  const RpcEnvironment env_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeWorkService(const RpcEnvironment& environment) {
  return std::make_unique<WorkService>(environment);
}

}  // namespace vigil
