// From what gRPC says to what this library says.
#pragma once

#include <grpcpp/support/status.h>

#include <string_view>

#include "vigil/error.h"

namespace vigil::client {

// REQUIRES: !status.ok().
Error FromStatus(const grpc::Status& status);

// An error of the library's own making.
Error MakeError(Code code, std::string_view message, std::string_view hint);

}  // namespace vigil::client
