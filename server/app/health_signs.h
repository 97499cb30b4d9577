// What is shown of the coordinator's health to those who watch it.
#pragma once

#include <grpcpp/health_check_service_interface.h>

#include <array>

#include "core/health.h"

namespace vigil {

// The health service of gRPC, and a line in the log when the coordinator begins or ends to serve.
// One thread's.
class HealthSigns {
 public:
  // Every service says no until it is shown otherwise. `service` outlives this.
  explicit HealthSigns(grpc::HealthCheckServiceInterface& service);

  // The service is told only what has changed: it tells those who watch each time.
  void Show(const Health& health);

 private:
  static constexpr size_t kServices = 4;

  grpc::HealthCheckServiceInterface& service_;
  std::array<bool, kServices> shown_{};
};

}  // namespace vigil
