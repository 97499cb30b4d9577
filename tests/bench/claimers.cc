// Many claimers in one small process with one thread, as pgbench has its clients.
//
//   vigil_bench_claimers ADDRESS NAMESPACE CLAIMERS CLAIMS FIRST-KEY KEY-STRIDE OWNER-STRIDE
//                        FIRST-CLAIMANT FIRST-OWNER FENCE
//
// The words behind the address are a ClaimPlan (claim_plan.h). Each claimer has a connection of its
// own and makes its claims one after the other. Prints "claimed WON LOST" when all are made.
#include <absl/synchronization/mutex.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/create_channel.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "claim_plan.h"
#include "vigil/v1/work_service.grpc.pb.h"

namespace {

using vigil::bench::ClaimPlan;

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "vigil_bench_claimers: %s\n", why.c_str());
  std::_Exit(1);
}

struct Claimer {
  std::unique_ptr<vigil::v1::WorkService::Stub> stub;
  vigil::v1::ClaimWorkRequest request;
  int64_t next_key = 0;
  int left = 0;
  // Of the call that is under way.
  std::optional<grpc::ClientContext> context;
  std::unique_ptr<grpc::ClientAsyncResponseReader<vigil::v1::ClaimWorkResponse>> call;
  vigil::v1::ClaimWorkResponse response;
  grpc::Status status;
};

class Claimers {
 public:
  Claimers(const std::string& address, const ClaimPlan& plan) {
    for (int i = 0; i < plan.claimers; ++i) {
      grpc::ChannelArguments arguments;
      arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
      arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
      Claimer& claimer = claimers_.emplace_back();
      claimer.stub = vigil::v1::WorkService::NewStub(
          grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
      const auto number = static_cast<uint64_t>(i);
      claimer.request.set_namespace_(plan.ns);
      claimer.request.set_incarnation(plan.first_claimant + number);
      claimer.request.set_expected_owner(plan.first_owner +
                                         number * static_cast<uint64_t>(plan.owner_stride));
      claimer.request.set_expected_fence(plan.fence);
      claimer.next_key = plan.first_key + i * plan.key_stride;
      claimer.left = plan.claims;
    }
  }

  void Run() {
    for (Claimer& claimer : claimers_) Claim(claimer);
    void* tag = nullptr;
    bool ok = false;
    while (under_way_ > 0 && queue_.Next(&tag, &ok)) Took(*static_cast<Claimer*>(tag));
    std::printf("claimed %ld %ld\n", won_, lost_);
  }

 private:
  void Claim(Claimer& claimer) {
    if (claimer.left-- == 0) return;
    ++under_way_;
    claimer.request.set_key(std::to_string(claimer.next_key++));
    claimer.context.emplace();
    claimer.context->set_wait_for_ready(true);
    claimer.call = claimer.stub->AsyncClaimWork(&*claimer.context, claimer.request, &queue_);
    claimer.call->Finish(&claimer.response, &claimer.status, &claimer);
  }

  void Took(Claimer& claimer) {
    --under_way_;
    if (!claimer.status.ok()) Die("a claim failed: " + claimer.status.error_message());
    switch (claimer.response.outcome()) {
      case vigil::v1::CLAIM_OUTCOME_CLAIMED:
        ++won_;
        break;
      case vigil::v1::CLAIM_OUTCOME_LOST:
        ++lost_;
        break;
      default:
        Die("a claim came to something else: " + claimer.response.ShortDebugString());
    }
    Claim(claimer);
  }

  grpc::CompletionQueue queue_;
  std::deque<Claimer> claimers_;
  int under_way_ = 0;
  long won_ = 0;
  long lost_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 11) return 2;
  // As a coordinator does.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const auto number = [&](int place) { return std::strtoll(argv[place], nullptr, 10); };
  Claimers claimers(argv[1], {.ns = argv[2],
                              .claimers = static_cast<int>(number(3)),
                              .claims = static_cast<int>(number(4)),
                              .first_key = number(5),
                              .key_stride = number(6),
                              .owner_stride = number(7),
                              .first_claimant = static_cast<uint64_t>(number(8)),
                              .first_owner = static_cast<uint64_t>(number(9)),
                              .fence = static_cast<uint64_t>(number(10))});
  claimers.Run();
  std::fflush(stdout);
  std::_Exit(0);
}
