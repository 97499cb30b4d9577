#include "start_items.h"

#include <fmt/format.h>
#include <grpc/support/time.h>
#include <grpcpp/create_channel.h>

#include <mutex>
#include <thread>

#include "measuring.h"
#include "vigil/v1/work_service.grpc.pb.h"

namespace vigil::bench {
namespace {

constexpr int64_t kDeadlineMillis = 20'000;

Result<void> StartItemsOf(v1::WorkService::Stub& work, const std::string& ns, uint64_t pod,
                          int items) {
  v1::StartWorkRequest request;
  request.set_namespace_(ns);
  request.set_incarnation(pod);
  for (int item = 0; item < items; ++item) {
    request.set_key(fmt::format("item-{}-{}", pod, item));
    v1::StartWorkResponse response;
    grpc::ClientContext context;
    // gRPC now and then takes a connection that is being made for one that failed.
    context.set_wait_for_ready(true);
    context.set_deadline(gpr_time_from_millis(kDeadlineMillis, GPR_TIMESPAN));
    const auto status = work.StartWork(&context, request, &response);
    if (status.ok() && response.outcome() == v1::START_OUTCOME_STARTED) continue;
    return Fail(Unmeasurable("an item was not started: " + status.error_message()));
  }
  return {};
}

}  // namespace

Result<void> StartItems(const std::string& address, const std::string& ns,
                        const std::vector<uint64_t>& pods, int items, size_t threads) {
  std::mutex mutex;
  Result<void> all;
  std::vector<std::jthread> starters;
  for (size_t first = 0; first < threads; ++first) {
    starters.emplace_back([&, first] {
      grpc::ChannelArguments arguments;
      arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
      const auto work = v1::WorkService::NewStub(
          grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
      for (size_t pod = first; pod < pods.size(); pod += threads) {
        if (auto started = StartItemsOf(*work, ns, pods[pod], items); !started) {
          std::lock_guard lock(mutex);
          all = started;
          return;
        }
      }
    });
  }
  starters.clear();
  return all;
}

}  // namespace vigil::bench
