#include <memory>
#include <utility>

#include "rpc/convert.h"
#include "rpc/page_size.h"
#include "rpc/services.h"
#include "rpc/unary.h"
#include "rpc/work_requests.h"
#include "store/joint_claims.h"
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
    case StartOutcome::kReleased:
      return v1::START_OUTCOME_RELEASED;
    case StartOutcome::kQuarantined:
      return v1::START_OUTCOME_QUARANTINED;
  }
  return v1::START_OUTCOME_UNSPECIFIED;
}

v1::ClaimOutcome ToProto(ClaimOutcome outcome) {
  switch (outcome) {
    case ClaimOutcome::kClaimed:
      return v1::CLAIM_OUTCOME_CLAIMED;
    case ClaimOutcome::kLost:
      return v1::CLAIM_OUTCOME_LOST;
    case ClaimOutcome::kReserved:
      return v1::CLAIM_OUTCOME_RESERVED;
    case ClaimOutcome::kQuarantined:
      return v1::CLAIM_OUTCOME_QUARANTINED;
  }
  return v1::CLAIM_OUTCOME_UNSPECIFIED;
}

template <typename Request>
WorkHolder HolderOf(const Request& request) {
  return {request.namespace_(), request.key(), {request.incarnation()}, {request.fence()}};
}

template <typename T>
Result<void> Checked(const Result<T>& read) {
  return read.map([](const T&) {});
}

template <typename Response>
std::function<void(WorkItem&&)> FillItem(Response* response) {
  return [response](WorkItem&& item) { *response->mutable_item() = vigil::ToProto(item); };
}

class WorkService final : public v1::WorkService::CallbackService {
 public:
  explicit WorkService(const RpcEnvironment& environment)
      : env_(environment), claims_(environment.requests, environment.waiting_claims) {}

  Unary* StartWork(Context* context, const v1::StartWorkRequest* request,
                   v1::StartWorkResponse* response) override {
    auto work = FromProto(*request);
    const auto checked = Checked(work);
    return Answer<StartedWork>(
        env_, {context, Rpc::kStartWork, request->namespace_(), {request->incarnation()}}, checked,
        [work = std::move(work).value_or(NewWork{})](Store& store) {
          return store.StartWork(work);
        },
        [response](StartedWork&& started) {
          response->set_outcome(ToProto(started.outcome));
          *response->mutable_item() = vigil::ToProto(started.item);
        });
  }

  Unary* CheckpointWork(Context* context, const v1::CheckpointWorkRequest* request,
                        v1::CheckpointWorkResponse* response) override {
    return Answer<WorkItem>(
        env_, {context, Rpc::kCheckpointWork, request->namespace_(), {request->incarnation()}},
        Check(*request),
        [request](Store& store) {
          return store.CheckpointWork(HolderOf(*request), request->checkpoint(), request->number());
        },
        FillItem(response));
  }

  Unary* CompleteWork(Context* context, const v1::CompleteWorkRequest* request,
                      v1::CompleteWorkResponse* response) override {
    return Answer<WorkItem>(
        env_, {context, Rpc::kCompleteWork, request->namespace_(), {request->incarnation()}},
        Check(*request),
        [request](Store& store) {
          return store.CompleteWork(HolderOf(*request), request->result());
        },
        FillItem(response));
  }

  Unary* ReleaseWork(Context* context, const v1::ReleaseWorkRequest* request,
                     v1::ReleaseWorkResponse* response) override {
    return Answer<WorkItem>(
        env_, {context, Rpc::kReleaseWork, request->namespace_(), {request->incarnation()}},
        Check(*request), [request](Store& store) { return store.ReleaseWork(HolderOf(*request)); },
        FillItem(response));
  }

  Unary* FailWork(Context* context, const v1::FailWorkRequest* request,
                  v1::FailWorkResponse* response) override {
    return Answer<WorkItem>(
        env_, {context, Rpc::kFailWork, request->namespace_(), {request->incarnation()}},
        Check(*request),
        [request](Store& store) { return store.FailWork(HolderOf(*request), request->reason()); },
        FillItem(response));
  }

  Unary* TransferWork(Context* context, const v1::TransferWorkRequest* request,
                      v1::TransferWorkResponse* response) override {
    return Answer<WorkItem>(
        env_, {context, Rpc::kTransferWork, request->namespace_(), {request->incarnation()}},
        Check(*request),
        [request](Store& store) {
          return store.TransferWork(HolderOf(*request), request->to_name());
        },
        FillItem(response));
  }

  Unary* ClaimWork(Context* context, const v1::ClaimWorkRequest* request,
                   v1::ClaimWorkResponse* response) override {
    const Reply reply(env_, context, Rpc::kClaimWork);
    const UnaryCall call{context, Rpc::kClaimWork, request->namespace_(), {request->incarnation()}};
    const auto permission = PermissionFor(env_, call);
    const auto checked = Checked(permission).and_then([&] { return Check(*request); });
    if (!checked) {
      reply.Refuse(checked.error());
      return reply.reactor();
    }
    const auto share = TakeShare(env_, *permission, reply);
    if (!share) return reply.reactor();
    IfOwned(env_, call, reply, *permission, [=, this] {
      claims_.Make({.claim = {request->namespace_(),
                              request->key(),
                              {request->incarnation()},
                              {request->expected_owner()},
                              {request->expected_fence()}},
                    .abandoned = [=] { return reply.FinishIfCancelled(); },
                    .answer =
                        [=, this, share = *share](Result<ClaimedWork> claimed) {
                          if (claimed) env_.measures.Claimed(claimed->outcome, 1);
                          reply.Finish<ClaimedWork>(std::move(claimed), [=](ClaimedWork&& won) {
                            response->set_outcome(ToProto(won.outcome));
                            *response->mutable_item() = vigil::ToProto(won.item);
                          });
                        }});
    });
    return reply.reactor();
  }

  Unary* ClaimOrphans(Context* context, const v1::ClaimOrphansRequest* request,
                      v1::ClaimOrphansResponse* response) override {
    auto claim = FromProto(*request);
    const auto checked = Checked(claim);
    return Answer<std::vector<WorkItem>>(
        env_, {context, Rpc::kClaimOrphans, request->namespace_(), {request->incarnation()}},
        checked,
        [claim = std::move(claim).value_or(OrphansClaim{})](Store& store) {
          return store.ClaimOrphans(claim);
        },
        [response, &measures = env_.measures](std::vector<WorkItem>&& items) {
          measures.Claimed(ClaimOutcome::kClaimed, items.size());
          for (const auto& item : items) *response->add_items() = vigil::ToProto(item);
        });
  }

  Unary* ReleaseQuarantinedWork(Context* context, const v1::ReleaseQuarantinedWorkRequest* request,
                                v1::ReleaseQuarantinedWorkResponse* response) override {
    return Answer<WorkItem>(
        env_, {context, Rpc::kReleaseQuarantinedWork, request->namespace_(), kNobody},
        Check(*request),
        [request](Store& store) {
          return store.ReleaseQuarantined(request->namespace_(), request->key(),
                                          {request->fence()});
        },
        FillItem(response));
  }

  Unary* GetWork(Context* context, const v1::GetWorkRequest* request,
                 v1::GetWorkResponse* response) override {
    return Answer<WorkItem>(
        env_, {context, Rpc::kGetWork, request->namespace_(), kNobody}, Check(*request),
        [request](Store& store) { return store.GetWork(request->namespace_(), request->key()); },
        FillItem(response));
  }

  Unary* ListWork(Context* context, const v1::ListWorkRequest* request,
                  v1::ListWorkResponse* response) override {
    return Answer<WorkPage>(
        env_, {context, Rpc::kListWork, request->namespace_(), kNobody}, Check(*request),
        [request](Store& store) {
          const auto size = PageSize(request->page_size());
          return store.ListWork(request->namespace_(), FilterOf(*request), request->page_token(),
                                *size);
        },
        [response](WorkPage&& page) {
          for (const auto& item : page.items) *response->add_items() = vigil::ToProto(item);
          if (page.more) response->set_next_page_token(page.items.back().key);
        });
  }

 private:
  const RpcEnvironment env_;
  JointClaims claims_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeWorkService(const RpcEnvironment& environment) {
  return std::make_unique<WorkService>(environment);
}

}  // namespace vigil
