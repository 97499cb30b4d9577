// Unary calls: one transaction in the requests' lane, answered from there.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "core/errors.h"
#include "rpc/caller.h"
#include "rpc/services.h"
#include "rpc/status.h"

namespace vigil {

// Answers one call, once, and counts it. A copy answers the same call.
class Reply {
 public:
  Reply(const RpcEnvironment& env, grpc::CallbackServerContext* context, Rpc rpc)
      : context_(context),
        reactor_(context->DefaultReactor()),
        measures_(&env.measures),
        clock_(&env.clock),
        rpc_(RightOf(rpc).name),
        began_(env.clock.Now()) {}

  grpc::ServerUnaryReactor* reactor() const { return reactor_; }

  void Finish(const grpc::Status& status) const {
    measures_->Answered(rpc_, status.error_code());
    measures_->Took(rpc_, clock_->Now() - began_);
    reactor_->Finish(status);
  }

  void Refuse(const Error& error) const { Finish(ToStatus(error)); }

  // `fill` puts a success into the response.
  template <typename T>
  void Finish(Result<T> outcome, const std::function<void(T&&)>& fill) const {
    if (outcome) fill(std::move(*outcome));
    Finish(outcome ? grpc::Status::OK : ToStatus(outcome.error()));
  }

  // Whoever has stopped waiting gets no transaction, and no answer but this.
  bool FinishIfCancelled() const {
    if (!context_->IsCancelled()) return false;
    Finish(grpc::Status::CANCELLED);
    return true;
  }

 private:
  grpc::CallbackServerContext* context_;
  grpc::ServerUnaryReactor* reactor_;
  Measures* measures_;
  const Clock* clock_;
  std::string_view rpc_;
  Instant began_;
};

struct UnaryCall {
  grpc::CallbackServerContext* context;
  Rpc rpc;
  // Of the request, which lives as long as the call.
  const std::string& ns;
  // In whose name it is; kNobody for who only looks.
  Incarnation incarnation;

  UnaryCall(grpc::CallbackServerContext* its_context, Rpc its_rpc, const std::string& its_ns,
            Incarnation its_incarnation)
      : context(its_context), rpc(its_rpc), ns(its_ns), incarnation(its_incarnation) {}
};

inline constexpr Incarnation kNobody{};

inline Result<Permission> PermissionFor(const RpcEnvironment& env, const UnaryCall& call) {
  if (env.access.insecure()) return Permission{.insecure = true};
  return env.access.Ask(CallerOf(*call.context, env.clock), call.rpc, call.ns);
}

// Its share of the requests, or the end of the call.
inline std::optional<Share> TakeShare(const RpcEnvironment& env, const Permission& permission,
                                      const Reply& reply) {
  auto share = env.access.Take(ShareOf::kRequests, permission.name());
  if (share) return std::move(*share);
  reply.Refuse(share.error());
  return std::nullopt;
}

// Goes on, here or in the lane, if the caller may act for the incarnation; answers otherwise.
inline void IfOwned(const RpcEnvironment& env, const UnaryCall& call, const Reply& reply,
                    const Permission& permission, std::function<void()> then) {
  const auto go_on = [reply, then = std::move(then)](const Result<void>& owned) {
    if (!owned) return reply.Refuse(owned.error());
    then();
  };
  if (const auto known = env.bindings.Look(call.ns, call.incarnation, permission))
    return go_on(*known);
  const bool taken = env.requests.Enqueue([=, &bindings = env.bindings](Store& store) {
    if (reply.FinishIfCancelled()) return;
    go_on(bindings.Check(store, call.ns, call.incarnation, permission));
  });
  if (!taken) reply.Refuse(RequestQueueFull());
}

// Answers with `work`'s outcome: `fill` puts a success into the response. The caller's rights, and
// then `checked`, refuse before anything is asked of the database.
template <typename T>
grpc::ServerUnaryReactor* Answer(const RpcEnvironment& env, const UnaryCall& call,
                                 const Result<void>& checked, std::function<Result<T>(Store&)> work,
                                 std::function<void(T&&)> fill) {
  const Reply reply(env, call.context, call.rpc);
  auto permission = PermissionFor(env, call);
  if (!permission || !checked) {
    reply.Refuse(permission ? checked.error() : permission.error());
    return reply.reactor();
  }
  auto share = TakeShare(env, *permission, reply);
  if (!share) return reply.reactor();
  const bool taken =
      env.requests.Enqueue([reply, call, share = std::move(*share), &bindings = env.bindings,
                            permission = std::move(*permission), work = std::move(work),
                            fill = std::move(fill)](Store& store) {
        if (reply.FinishIfCancelled()) return;
        if (call.incarnation) {
          const auto owned = bindings.Check(store, call.ns, call.incarnation, permission);
          if (!owned) return reply.Refuse(owned.error());
          if (reply.FinishIfCancelled()) return;
        }
        reply.Finish<T>(work(store), fill);
      });
  if (!taken) reply.Refuse(RequestQueueFull());
  return reply.reactor();
}

}  // namespace vigil
