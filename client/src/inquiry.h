// One question to one coordinator: does one of its services serve now?
#pragma once

#include <grpcpp/client_context.h>

#include <functional>
#include <memory>
#include <string_view>

#include "channels.h"
#include "grpc/health/v1/health.pb.h"
#include "loop.h"

namespace vigil::client {

// What is asked for. SERVING while the coordinator takes pods in, and while it reads the log.
inline constexpr std::string_view kPodRegistry = "vigil.v1.PodRegistryService";
inline constexpr std::string_view kPodEvents = "vigil.v1.PodEventService";

// Asks for the health of a service. Whatever is no clear yes is a no.
//
// Thread: all methods, and `then`, on the given loop. Keeps itself alive until gRPC is done with
// it.
class Inquiry {
 public:
  // `then` comes exactly once, after `patience` at the latest.
  static std::shared_ptr<Inquiry> Send(std::shared_ptr<Loop> loop, std::shared_ptr<Link> link,
                                       std::string_view service, Duration patience,
                                       std::function<void(bool serving)> then);

  void Cancel() { context_.TryCancel(); }

 private:
  Inquiry(std::shared_ptr<Loop> loop, std::shared_ptr<Link> link,
          std::function<void(bool serving)> then);

  void Answered(const grpc::Status& status);

  const std::shared_ptr<Loop> loop_;
  const std::shared_ptr<Link> link_;
  const std::function<void(bool serving)> then_;
  std::shared_ptr<Inquiry> self_;
  grpc::ClientContext context_;
  grpc::health::v1::HealthCheckRequest request_;
  grpc::health::v1::HealthCheckResponse response_;
};

}  // namespace vigil::client
