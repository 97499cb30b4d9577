// Transactions that are begun only while somebody waits for their outcome.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "core/errors.h"
#include "store/lane.h"

namespace vigil {

// That somebody waits: expired when nobody does any more. Any thread.
//
// A pod that is not answered in time gives up, and asks again. What it has given up would only keep
// those waiting that are behind it, until they have given up as well: a coordinator that is once
// slower than its pods are patient would work for nobody from then on.
using Awaited = std::weak_ptr<const void>;

// The outcome of what was not begun.
inline Error NobodyWaits() { return DatabaseUnavailable("nobody waits for the answer any more"); }

// As Ask, while somebody waits when the lane has come to it.
template <typename T>
void AskAwaited(Lane& lane, Scheduler& scheduler, Awaited awaited,
                std::function<Result<T>(Store&)> work, Then<T> then) {
  Ask<T>(
      lane, scheduler,
      [awaited = std::move(awaited), work = std::move(work)](Store& store) -> Result<T> {
        if (awaited.expired()) return Fail(NobodyWaits());
        return work(store);
      },
      std::move(then));
}

}  // namespace vigil
