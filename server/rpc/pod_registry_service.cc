#include <charconv>
#include <memory>

#include "core/validate.h"
#include "rpc/convert.h"
#include "rpc/page_size.h"
#include "rpc/services.h"
#include "rpc/session_stream.h"
#include "rpc/unary.h"
#include "vigil/v1/pod_registry_service.grpc.pb.h"

namespace vigil {
namespace {

// A page token is the last incarnation of the page before.
Result<Incarnation> ReadPageToken(const std::string& token) {
  Incarnation after;
  const char* end = token.data() + token.size();
  const auto parsed = std::from_chars(token.data(), end, after.value);
  const bool formed = parsed.ec == std::errc() && parsed.ptr == end && after.value <= INT64_MAX;
  if (token.empty() || formed) return after;
  return Fail(InvalidField("page_token", "must be next_page_token of the response before"));
}

class PodRegistryService final : public v1::PodRegistryService::CallbackService {
 public:
  explicit PodRegistryService(const RpcEnvironment& environment) : env_(environment) {}

  SessionReactor* Session(grpc::CallbackServerContext* context) override {
    return BeginSessionStream(env_, context);
  }

  grpc::ServerUnaryReactor* GetPod(grpc::CallbackServerContext* context,
                                   const v1::GetPodRequest* request,
                                   v1::GetPodResponse* response) override {
    const auto checked = CheckNamespace(request->namespace_()).and_then([&] {
      return CheckPodName(request->name());
    });
    return Answer<Pod>(
        env_, {context, Rpc::kGetPod, request->namespace_(), kNobody}, checked,
        [request](Store& store) { return store.GetPod(request->namespace_(), request->name()); },
        [response](Pod&& pod) { *response->mutable_pod() = ToProto(pod); });
  }

  grpc::ServerUnaryReactor* ListPods(grpc::CallbackServerContext* context,
                                     const v1::ListPodsRequest* request,
                                     v1::ListPodsResponse* response) override {
    const auto size = PageSize(request->page_size());
    const auto after = ReadPageToken(request->page_token());
    Result<void> checked = CheckNamespace(request->namespace_());
    if (checked && !size) checked = Fail(size.error());
    if (checked && !after) checked = Fail(after.error());
    return Answer<PodPage>(
        env_, {context, Rpc::kListPods, request->namespace_(), kNobody}, checked,
        [=](Store& store) {
          return store.ListPods(request->namespace_(), request->include_ended(), *after, *size);
        },
        [response](PodPage&& page) {
          for (const auto& pod : page.pods) *response->add_pods() = ToProto(pod);
          if (page.more) {
            response->set_next_page_token(std::to_string(page.pods.back().incarnation.value));
          }
        });
  }

 private:
  const RpcEnvironment env_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakePodRegistryService(const RpcEnvironment& environment) {
  return std::make_unique<PodRegistryService>(environment);
}

}  // namespace vigil
