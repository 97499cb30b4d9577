// One Session stream: the gRPC side of a conversation with a pod.
#pragma once

#include <grpcpp/support/server_callback.h>

#include "rpc/services.h"
#include "vigil/v1/pod_registry_service.pb.h"

namespace vigil {

using SessionReactor = grpc::ServerBidiReactor<v1::SessionRequest, v1::SessionResponse>;

// Begins a stream that owns itself until gRPC is done with it.
SessionReactor* BeginSessionStream(const RpcEnvironment& environment,
                                   grpc::CallbackServerContext* context);

}  // namespace vigil
