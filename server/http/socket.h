// What every connection over HTTP stands on.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <list>
#include <memory>

#include "http/http_server.h"

namespace vigil {

using HttpContext = boost::asio::io_context;
using HttpSocket = boost::asio::ip::tcp::socket;

// Counts as one connection while it lives.
using Place = std::shared_ptr<void>;

// Those connections that may be closed to make room, since it is their clients that they wait for:
// for a request, until an answer is taken, or to go. Outlives its spots. The HTTP thread.
class Line {
 public:
  // Stands in line while it lives.
  using Spot = std::shared_ptr<void>;

  // At the end of the line, or before all others. `close` ends the connection.
  Spot Join(std::function<void()> close);
  Spot JoinFirst(std::function<void()> close);

  bool empty() const { return waiting_.empty(); }

  // REQUIRES: there is somebody.
  void CloseFirst();

 private:
  using Waiting = std::list<std::function<void()>>;

  Spot Leaving(Waiting::iterator where);

  Waiting waiting_;
};

// What a connection is given. The environment, the line and the context outlive it.
struct Peer {
  HttpSocket socket;
  Place place;
  Line& line;
  const HttpEnvironment& env;
  HttpContext& context;
};

// Lets the client have what was written before the connection is gone: with something unread, a
// close would be a reset, and might overtake the answer. Reads on until the client closes, at most
// for 2 s and 256 KiB.
void CloseGently(Peer peer);

}  // namespace vigil
