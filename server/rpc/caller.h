// Who calls, as gRPC tells it.
#pragma once

#include <grpcpp/server_context.h>

#include "access/access.h"

namespace vigil {

// The names in the certificate that was verified for the connection (its URIs, its DNS names, its
// common name), when that ends by the machine's wall clock as it is now, and the token of the
// call's metadata.
Caller CallerOf(const grpc::CallbackServerContext& context, const Clock& clock);

}  // namespace vigil
