// The HTTP side of a coordinator: the event log as Server-Sent Events, and what orchestrators ask.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "access/access.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/loop.h"
#include "coordinator/subscriptions.h"
#include "core/health.h"
#include "http/resource.h"

namespace vigil {

struct HttpEnvironment {
  // The thread of the subscriptions.
  Scheduler& log_loop;
  Subscriptions& subscriptions;
  // Who may follow the log. Any thread.
  const Access& access;
  const Clock& clock;
  // What the probes are answered by. Any thread.
  std::function<Health()> health;
  // What else is served.
  std::vector<Resource> resources = {};
};

// Serves on a thread of its own, which decodes, posts and returns, as gRPC's threads do; nothing
// blocks it and it decides nothing.
//
// Bounded are the connections: one too many takes the place of that which has waited longest for
// its client; where none does, probes are answered and others told so. Bounded are, too, a
// request's head (16 KiB) and the time until it is whole (10 s, also on a connection that is kept);
// what a connection that is not read from keeps for its client: one message of its subscription,
// and 256 KiB in the kernel.   (P11)
//
// One thread calls Start and Stop, in this order. The environment outlives it, and the process's
// loops turn from Start to Stop and not any more when it is destroyed.
class HttpServer {
 public:
  HttpServer(HttpEnvironment environment, size_t max_connections);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // `address` is HOST:PORT, port 0 for a free one. Error when it cannot be listened on.
  Result<void> Start(const std::string& address);

  // The port that is listened on.
  int port() const;

  // Takes nothing new, waits at most this long until all streams have ended and are written out,
  // and does nothing more. What is open then is closed when the server goes.
  void Stop(Duration patience);

 private:
  class Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace vigil
