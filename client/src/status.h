// From what gRPC says to what this library says.
#pragma once

#include <grpcpp/support/status.h>

#include "vigil/error.h"

namespace vigil::client {

// REQUIRES: !status.ok().
Error FromStatus(const grpc::Status& status);

}  // namespace vigil::client
