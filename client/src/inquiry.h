// One question to one coordinator: does it take pods in now?
#pragma once

#include <grpcpp/client_context.h>

#include <functional>
#include <memory>

#include "core.h"
#include "grpc/health/v1/health.pb.h"

namespace vigil::client {

// Asks for the health of its pod registry. Whatever is no clear yes is a no.
//
// Thread: all methods, and `then`, on the core's loop. Keeps itself alive until gRPC is done with
// it.
class Inquiry {
 public:
  // `then` comes exactly once, after `patience` at the latest.
  static std::shared_ptr<Inquiry> Send(std::shared_ptr<Core> core, std::shared_ptr<Link> link,
                                       Duration patience, std::function<void(bool welcome)> then);

  void Cancel() { context_.TryCancel(); }

 private:
  Inquiry(std::shared_ptr<Core> core, std::shared_ptr<Link> link,
          std::function<void(bool welcome)> then);

  void Answered(const grpc::Status& status);

  const std::shared_ptr<Core> core_;
  const std::shared_ptr<Link> link_;
  const std::function<void(bool welcome)> then_;
  std::shared_ptr<Inquiry> self_;
  grpc::ClientContext context_;
  grpc::health::v1::HealthCheckRequest request_;
  grpc::health::v1::HealthCheckResponse response_;
};

}  // namespace vigil::client
