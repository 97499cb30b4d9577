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

// Answers without having read anything, and closes.
void TurnAway(Peer peer, const Reception& reception, const Answer& answer);

}  // namespace vigil
