// One call with all its attempts, over all coordinators.
#pragma once

#include <grpcpp/client_context.h>

#include <functional>
#include <optional>

#include "core.h"
#include "vigil/boot_clock.h"
#include "vigil/error.h"

namespace vigil::client {

// Until when something may be sent and waited for; nothing when it may not. Asked before every
// attempt, since a lease is renewed, or ends, while a call goes on. Empty: there is no such limit.
using AliveUntil = std::function<std::optional<Time>()>;

// Tries the addresses from the preferred one on. `attempt` makes the blocking call; once more with
// the same arguments it changes nothing more.
Result<void> TryEverywhere(Core& core,
                           const std::function<grpc::Status(Link&, grpc::ClientContext&)>& attempt,
                           const AliveUntil& alive_until = {});

// The same, for a call with a response. `invoke(link, context, &response)`.
template <class Response, class Invoke>
Result<Response> Call(Core& core, Invoke invoke, const AliveUntil& alive_until = {}) {
  Response response;
  auto done = TryEverywhere(
      core,
      [&](Link& link, grpc::ClientContext& context) {
        response.Clear();
        return invoke(link, context, &response);
      },
      alive_until);
  if (!done) return tl::unexpected(std::move(done.error()));
  return response;
}

}  // namespace vigil::client
