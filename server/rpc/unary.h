// Unary calls: one transaction in the requests' lane, answered from there.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <utility>

#include "base/error.h"
#include "core/errors.h"
#include "rpc/caller.h"
#include "rpc/services.h"
#include "rpc/status.h"

namespace vigil {

// Whoever has stopped waiting gets no transaction, and no answer but this.
inline bool FinishIfCancelled(const grpc::CallbackServerContext& context,
                              grpc::ServerUnaryReactor& reactor) {
  if (!context.IsCancelled()) return false;
  reactor.Finish(grpc::Status::CANCELLED);
  return true;
}

template <typename T>
void Finish(grpc::ServerUnaryReactor& reactor, Result<T> outcome,
            const std::function<void(T&&)>& fill) {
  if (outcome) fill(std::move(*outcome));
  reactor.Finish(outcome ? grpc::Status::OK : ToStatus(outcome.error()));
}

struct UnaryCall {
  grpc::CallbackServerContext* context;
  Rpc rpc;
  // Of the request, which lives as long as the call.
  const std::string& ns;
  // In whose name it is; none for who only looks.
  Incarnation incarnation = {};
};

inline Result<Permission> PermissionFor(const RpcEnvironment& env, const UnaryCall& call) {
  if (env.access.insecure()) return Permission{.insecure = true};
  return env.access.Ask(CallerOf(*call.context, env.clock), call.rpc, call.ns);
}

// Goes on, here or in the lane, if the caller may act for the incarnation; answers otherwise.
inline void IfOwned(const RpcEnvironment& env, const UnaryCall& call,
                    grpc::ServerUnaryReactor* reactor, const Permission& permission,
                    std::function<void()> then) {
  const auto go_on = [reactor, then = std::move(then)](const Result<void>& owned) {
    if (!owned) return reactor->Finish(ToStatus(owned.error()));
    then();
  };
  if (const auto known = env.bindings.Look(call.incarnation, permission)) return go_on(*known);
  const bool taken = env.requests.Enqueue([=, &bindings = env.bindings](Store& store) {
    if (FinishIfCancelled(*call.context, *reactor)) return;
    go_on(bindings.Check(store, call.ns, call.incarnation, permission));
  });
  if (!taken) reactor->Finish(ToStatus(RequestQueueFull()));
}

// Answers with `work`'s outcome: `fill` puts a success into the response. The caller's rights, and
// then `checked`, refuse before anything is asked of the database.
template <typename T>
grpc::ServerUnaryReactor* Answer(const RpcEnvironment& env, const UnaryCall& call,
                                 const Result<void>& checked, std::function<Result<T>(Store&)> work,
                                 std::function<void(T&&)> fill) {
  grpc::ServerUnaryReactor* reactor = call.context->DefaultReactor();
  auto permission = PermissionFor(env, call);
  if (!permission) {
    reactor->Finish(ToStatus(permission.error()));
    return reactor;
  }
  if (!checked) {
    reactor->Finish(ToStatus(checked.error()));
    return reactor;
  }
  const bool taken = env.requests.Enqueue(
      [reactor, call, &bindings = env.bindings, permission = std::move(*permission),
       work = std::move(work), fill = std::move(fill)](Store& store) {
        if (FinishIfCancelled(*call.context, *reactor)) return;
        if (call.incarnation) {
          const auto owned = bindings.Check(store, call.ns, call.incarnation, permission);
          if (!owned) return reactor->Finish(ToStatus(owned.error()));
          if (FinishIfCancelled(*call.context, *reactor)) return;
        }
        Finish<T>(*reactor, work(store), fill);
      });
  if (!taken) reactor->Finish(ToStatus(RequestQueueFull()));
  return reactor;
}

}  // namespace vigil
