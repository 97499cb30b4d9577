// The gRPC services of the contract. Thin: gRPC in, domain out.
#pragma once

#include <grpcpp/impl/codegen/service_type.h>

#include <memory>

#include "access/access.h"
#include "access/rate.h"
#include "base/clock.h"
#include "base/loop.h"
#include "coordinator/conversations.h"
#include "coordinator/subscriptions.h"
#include "core/measures.h"
#include "rpc/bindings.h"
#include "store/lane.h"

namespace vigil {

// What the services need. gRPC's threads decode, post or enqueue, and return; nothing blocks them.
struct RpcEnvironment {
  Scheduler& scheduler;
  // The scheduler's thread only.
  Conversations& conversations;
  Scheduler& log_scheduler;
  // The log scheduler's thread only.
  Subscriptions& subscriptions;
  Lane& requests;
  // How many claims may wait for one another.
  size_t waiting_claims;
  // Any thread.
  const Access& access;
  Bindings& bindings;
  const Clock& clock;
  // How often each identity may register. The scheduler's thread only.
  Rate& registrations;
  Measures& measures;
};

// The environment outlives the services, and the services the server that they are registered with.
std::unique_ptr<grpc::Service> MakePodRegistryService(const RpcEnvironment& environment);
std::unique_ptr<grpc::Service> MakePodEventService(const RpcEnvironment& environment);
std::unique_ptr<grpc::Service> MakeWorkService(const RpcEnvironment& environment);

}  // namespace vigil
