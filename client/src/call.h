// One call with all its attempts, over all coordinators.
#pragma once

#include <grpcpp/client_context.h>

#include <functional>

#include "core.h"
#include "vigil/error.h"

namespace vigil::client {

// Tries the addresses from the preferred one on. `attempt` makes the blocking call; once more with
// the same arguments it changes nothing more.
Result<void> TryEverywhere(Core& core,
                           const std::function<grpc::Status(Link&, grpc::ClientContext&)>& attempt);

// The same, for a call with a response. `invoke(link, context, &response)`.
template <class Response, class Invoke>
Result<Response> Call(Core& core, Invoke invoke) {
  Response response;
  auto done = TryEverywhere(core, [&](Link& link, grpc::ClientContext& context) {
    response.Clear();
    return invoke(link, context, &response);
  });
  if (!done) return tl::unexpected(std::move(done.error()));
  return response;
}

}  // namespace vigil::client
