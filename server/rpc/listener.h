// The gRPC port: who is let in, and how much of it one peer may take up.
#pragma once

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <memory>
#include <string>

#include "base/error.h"

namespace vigil {

struct PeerLimits {
  // At once, of all peers together.
  size_t connections = 0;
  // Calls that one connection carries at once.
  int streams_per_connection = 0;
};

// Takes connections in and hands them to the server. gRPC's own listener knows no limit of them,
// and takes none in ever again after the process was out of descriptors once.
//
// Bounded are the connections: those beyond are closed at once, with a line in the log when that
// begins; what a connection may carry (calls, metadata, the size of a message), how often it may
// ping, how long its handshake may take, and how long it may stay without a call.   (P11)
//
// One thread calls AddTo, Start and Stop, in this order; Stop before the server shuts down.
class Listener {
 public:
  explicit Listener(PeerLimits limits);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Listens on `address`, HOST:PORT with port 0 for a free one, and sets the limits. Who connects
  // waits until Start. Error when the address cannot be listened on.
  Result<void> AddTo(grpc::ServerBuilder& builder, const std::string& address,
                     std::shared_ptr<grpc::ServerCredentials> credentials);

  // REQUIRES: the server that was built has started.
  void Start();

  // Takes nobody in any more.
  void Stop();

  // The port that is listened on.
  int port() const;

 private:
  class Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace vigil
