// Unary calls: one transaction in the requests' lane, answered from there.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <utility>

#include "base/error.h"
#include "core/errors.h"
#include "rpc/status.h"
#include "store/lane.h"

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

// Answers with `work`'s outcome: `fill` puts a success into the response. `checked` refuses before
// anything is asked of the database.
template <typename T>
grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context, Lane& lane,
                                 const Result<void>& checked, std::function<Result<T>(Store&)> work,
                                 std::function<void(T&&)> fill) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  if (!checked) {
    reactor->Finish(ToStatus(checked.error()));
    return reactor;
  }
  const bool taken =
      lane.Enqueue([=, work = std::move(work), fill = std::move(fill)](Store& store) {
        if (!FinishIfCancelled(*context, *reactor)) Finish<T>(*reactor, work(store), fill);
      });
  if (!taken) {
    reactor->Finish(
        ToStatus(LimitReached("request-queue", "this coordinator has too many requests waiting")));
  }
  return reactor;
}

}  // namespace vigil
