// `vigil events tail`: the log of a namespace on standard output.
#pragma once

#include "cli/context.h"
#include "vigil/event.h"
#include "vigil/subscription.h"

namespace vigil::client {

struct TailOptions {
  SubscriptionStart start = FromOldest{};
  EventFilter filter;
  // Whether to go on when everything that was there has been shown.
  bool follow = false;
  // Whether to show every new position.
  bool cursors = false;
};

// Blocks until it is over. Returns the exit code.
int RunTail(const Context& context, const TailOptions& options);

}  // namespace vigil::client
