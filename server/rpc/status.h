// The one edge where errors become gRPC statuses.
#pragma once

#include <grpcpp/support/status.h>

#include "base/error.h"

namespace vigil {

// Carries a google.rpc.ErrorInfo with the domain `vigil`, the reason, the metadata and the hint of
// what callers are told of the error (access/disclosure.h).
grpc::Status ToStatus(const Error& refused);

}  // namespace vigil
