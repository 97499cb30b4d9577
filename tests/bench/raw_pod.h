// A pod that speaks to the registry by itself, without the client library.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/sync_stream.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/error.h"
#include "vigil/v1/pod_registry_service.grpc.pb.h"

namespace vigil::bench {

// A FAST pod on a stream of its own. Each call blocks until its answer is there. One thread at a
// time. The one that made the registry's stub keeps it.
class RawPod {
 public:
  // Registered and confirmed when this returns.
  static Result<std::unique_ptr<RawPod>> Register(v1::PodRegistryService::Stub& registry,
                                                  const std::string& ns, const std::string& name,
                                                  std::chrono::seconds lease);

  // Whether a lease was granted.
  bool Heartbeat();

  // Breaks the stream: strong evidence of its death.
  void Cancel() { context_.TryCancel(); }

  uint64_t incarnation() const { return incarnation_; }

 private:
  RawPod() = default;

  // What comes in answer; none when the stream has ended.
  v1::SessionResponse Ask(const v1::SessionRequest& request);

  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::SessionRequest, v1::SessionResponse>> stream_;
  uint64_t incarnation_ = 0;
  uint64_t heartbeats_ = 0;
};

}  // namespace vigil::bench
