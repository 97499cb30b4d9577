#include <memory>

#include "rpc/convert.h"
#include "rpc/page_size.h"
#include "rpc/services.h"
#include "rpc/unary.h"
#include "rpc/work_requests.h"
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
    return Answer<StartedWork>(
        context, env_.requests, Check(*request),
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
    return Answer<WorkItem>(
        context, env_.requests, Check(*request),
        [request](Store& store) {
          return store.CheckpointWork(HolderOf(*request), request->checkpoint());
        },
        FillItem(response));
  }

  Unary* CompleteWork(Context* context, const v1::CompleteWorkRequest* request,
                      v1::CompleteWorkResponse* response) override {
    return Answer<WorkItem>(
        context, env_.requests, Check(*request),
        [request](Store& store) {
          return store.CompleteWork(HolderOf(*request), request->result());
        },
        FillItem(response));
  }

  Unary* ReleaseWork(Context* context, const v1::ReleaseWorkRequest* request,
                     v1::ReleaseWorkResponse* response) override {
    return Answer<WorkItem>(
        context, env_.requests, Check(*request),
        [request](Store& store) { return store.ReleaseWork(HolderOf(*request)); },
        FillItem(response));
  }

  Unary* ClaimWork(Context* context, const v1::ClaimWorkRequest* request,
                   v1::ClaimWorkResponse* response) override {
    return Answer<ClaimedWork>(
        context, env_.requests, Check(*request),
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
    const uint32_t limit = request->limit() == 0 ? kDefaultClaim : request->limit();
    return Answer<std::vector<WorkItem>>(
        context, env_.requests, Check(*request),
        [request, limit](Store& store) {
          return store.ClaimOrphans(request->namespace_(), {request->incarnation()}, limit);
        },
        [response](std::vector<WorkItem>&& items) {
          for (const auto& item : items) *response->add_items() = vigil::ToProto(item);
        });
  }

  Unary* GetWork(Context* context, const v1::GetWorkRequest* request,
                 v1::GetWorkResponse* response) override {
    return Answer<WorkItem>(
        context, env_.requests, Check(*request),
        [request](Store& store) { return store.GetWork(request->namespace_(), request->key()); },
        FillItem(response));
  }

  Unary* ListWork(Context* context, const v1::ListWorkRequest* request,
                  v1::ListWorkResponse* response) override {
    return Answer<WorkPage>(
        context, env_.requests, Check(*request),
        [request](Store& store) {
          const auto size = PageSize(request->page_size());
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

  const RpcEnvironment env_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeWorkService(const RpcEnvironment& environment) {
  return std::make_unique<WorkService>(environment);
}

}  // namespace vigil
