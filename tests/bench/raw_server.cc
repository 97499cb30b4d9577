#include "raw_server.h"

#include <absl/synchronization/mutex.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_builder.h>

#include <cstdio>
#include <utility>

namespace vigil::bench {
namespace {

// Those of server/rpc/listener.cc.
void SetLimits(grpc::ServerBuilder& builder) {
  builder.SetResourceQuota(grpc::ResourceQuota("raw").SetMaxThreads(32));
  builder.SetMaxReceiveMessageSize(256 * 1024);
  for (const auto& [name, value] : {
           std::pair(GRPC_ARG_ALLOW_REUSEPORT, 0),
           std::pair(GRPC_ARG_MAX_METADATA_SIZE, 8 * 1024),
           std::pair(GRPC_ARG_MAX_CONCURRENT_STREAMS, 5'000),
           std::pair(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000),
           std::pair(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000),
           std::pair(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
           std::pair(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1'000),
           std::pair(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 2),
           std::pair(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10'000),
           std::pair(GRPC_ARG_MAX_CONNECTION_IDLE_MS, 300'000),
       }) {
    builder.AddChannelArgument(name, value);
  }
}

}  // namespace

std::unique_ptr<grpc::Server> ListenAsCoordinatorsDo(const std::vector<grpc::Service*>& services) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  grpc::EnableDefaultHealthCheckService(true);
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  SetLimits(builder);
  for (grpc::Service* service : services) builder.RegisterService(service);
  auto server = builder.BuildAndStart();
  if (!server || port == 0) return nullptr;
  std::printf("listening %d\n", port);
  return server;
}

}  // namespace vigil::bench
