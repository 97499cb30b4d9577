// What everything that was made from one Client shares.
#pragma once

#include "backoff.h"
#include "channels.h"
#include "loop.h"
#include "vigil/client.h"

namespace vigil::client {

// Sessions, subscriptions and calls each hold it; the last one destroys it.
class Core {
 public:
  explicit Core(Client::Options the_options);

  const Random random;
  // With the addresses in the order in which they are tried.
  const Client::Options options;
  Channels channels;
  // Runs the sessions' state machines and their timers, and never anything that blocks.
  Loop loop;
};

}  // namespace vigil::client
