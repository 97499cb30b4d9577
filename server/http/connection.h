// One connection over HTTP, from its first request to its last answer.
#pragma once

#include <functional>

#include "base/clock.h"
#include "http/answer.h"
#include "http/request.h"
#include "http/socket.h"

namespace vigil {

// What connections ask of the server that took them.
struct Reception {
  // The answer to a probe.
  std::function<Answer(const Probe&)> probe;
  // When the client of a new stream is to come back.
  std::function<Duration()> retry;
  // Counts the streams that are not over.
  std::function<Place()> stream;
};

// Reads requests, one after another, and answers them, until the client or an answer ends it, or
// the deadline of a request (10 s). Keeps itself alive. `reception` outlives it.
//
// The HTTP thread.
void ServeRequests(Peer peer, const Reception& reception);

// Answers one request and closes: a probe's as ever, so that a crowd does not make this process
// look wedged, and any other's with TooManyConnections.
//
// The HTTP thread.
void TurnAway(Peer peer, const Reception& reception);

}  // namespace vigil
