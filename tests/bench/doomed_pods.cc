// Many pods in one process, which die at once when it is killed.
//
//   vigil_bench_doomed_pods ADDRESS NAMESPACE PODS ITEMS
//
// Each of them owns ITEMS work items. Prints "ready" when all of them do.
#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "mortal_pods.h"
#include "vigil/v1/work_service.grpc.pb.h"

namespace {

// Which start items at once.
constexpr size_t kThreads = 8;

bool StartItems(vigil::v1::WorkService::Stub& work, const std::string& ns, uint64_t pod,
                int items) {
  for (int item = 0; item < items; ++item) {
    vigil::v1::StartWorkRequest request;
    request.set_namespace_(ns);
    request.set_key(fmt::format("item-{}-{}", pod, item));
    request.set_incarnation(pod);
    vigil::v1::StartWorkResponse response;
    grpc::ClientContext context;
    const auto status = work.StartWork(&context, request, &response);
    if (status.ok() && response.outcome() == vigil::v1::START_OUTCOME_STARTED) continue;
    std::fprintf(stderr, "an item was not started: %s\n", status.error_message().c_str());
    return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const std::string address = argv[1];
  const std::string ns = argv[2];
  const int items = std::atoi(argv[4]);
  auto pods = vigil::bench::MortalPods::Register(address, ns, "doomed", std::atoi(argv[3]));
  if (!pods) {
    std::fprintf(stderr, "%s\n", pods.error().message.c_str());
    return 1;
  }
  const auto work = vigil::v1::WorkService::NewStub(
      grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  const std::vector<uint64_t> incarnations = (*pods)->Living();
  std::atomic<bool> started = true;
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (size_t pod = thread; pod < incarnations.size(); pod += kThreads) {
        if (!StartItems(*work, ns, incarnations[pod], items)) started = false;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  if (!started) return 1;
  std::printf("ready\n");
  std::fflush(stdout);
  while (true) pause();
}
