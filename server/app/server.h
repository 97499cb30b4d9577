// The whole server: the only place where its objects are built. Reads as the architecture.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "app/config.h"
#include "base/error.h"
#include "base/loop.h"
#include "store/database.h"

namespace vigil {

// How many connections to the database one server opens at most.
int ConnectionsOf(const Config& config);

// A coordinator on a database, served over gRPC. Turns its loops, that of the event log and that of
// all else, on a thread each from Start until the end of Stop.
//
// One thread calls Start, Join, and Stop or Abandon, in this order, once each.
class Server {
 public:
  // The loops are those that `database` waits on; all outlive the server. They are not turned by
  // anybody else.
  Server(EventLoop& loop, EventLoop& log_loop, Database& database, Config config);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Begins to listen and to answer health checks, with NOT_SERVING. Error when the address cannot
  // be listened on.
  Result<void> Start();

  // Joins the cluster, as soon as the database can be reached. REQUIRES: the database has the
  // schema that this server knows.
  void Join();

  // Tells whoever asks for its health why the database is not fit for use, before it joins or
  // later; that it is again when there is nothing to say. Any thread.
  void Examined(const std::optional<Error>& unfit);

  // Whether leases are granted. Any thread.
  bool ready() const;

  // The port that is listened on: of use when the configured one is 0.
  int port() const;

  // The same for HTTP; 0 when that is off.
  int http_port() const;

  // Drains: pods are asked to move and subscriptions end; after the configured time at most,
  // everything stops.
  void Stop();

  // Stops at once, as a crash would: nobody is told anything.
  void Abandon();

 private:
  class Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace vigil
