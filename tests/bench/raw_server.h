// What the raw servers have in common: they listen as a coordinator does.
#pragma once

#include <grpcpp/impl/service_type.h>
#include <grpcpp/server.h>

#include <memory>
#include <vector>

namespace vigil::bench {

// Serves on a port of 127.0.0.1 that the system chose, with a coordinator's settings of gRPC and of
// Abseil, and prints "listening PORT". Null when there is no port.
std::unique_ptr<grpc::Server> ListenAsCoordinatorsDo(const std::vector<grpc::Service*>& services);

}  // namespace vigil::bench
