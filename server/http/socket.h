// What every connection over HTTP stands on.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <memory>

#include "http/http_server.h"

namespace vigil {

using HttpContext = boost::asio::io_context;
using HttpSocket = boost::asio::ip::tcp::socket;

// Counts as one connection while it lives.
using Place = std::shared_ptr<void>;

// What a connection is given. The environment and the context outlive it.
struct Peer {
  HttpSocket socket;
  Place place;
  const HttpEnvironment& env;
  HttpContext& context;
};

// Lets the client have what was written before the connection is gone: with something unread, a
// close would be a reset, and might overtake the answer. Reads on until the client closes, at most
// for 2 s and 256 KiB.
void CloseGently(Peer peer);

}  // namespace vigil
