#include "support/health.h"

#include <grpcpp/grpcpp.h>

#include "grpc/health/v1/health.grpc.pb.h"

namespace vigil {

bool AwaitServing(const std::string& address, Duration within) {
  using grpc::health::v1::HealthCheckResponse;
  const auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  const auto stub = grpc::health::v1::Health::NewStub(channel);
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  context.set_deadline(gpr_time_from_millis(
      std::chrono::duration_cast<std::chrono::milliseconds>(within).count(), GPR_TIMESPAN));
  const auto statuses = stub->Watch(&context, {});
  HealthCheckResponse status;
  bool serving = false;
  while (!serving && statuses->Read(&status)) {
    serving = status.status() == HealthCheckResponse::SERVING;
  }
  context.TryCancel();
  statuses->Finish();
  return serving;
}

}  // namespace vigil
