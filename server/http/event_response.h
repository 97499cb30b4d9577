// The response that a subscription is: its head, its events as they come, its end.
#pragma once

#include "base/clock.h"
#include "http/events_target.h"
#include "http/socket.h"

namespace vigil {

struct EventTerms {
  SubscriptionRequest request;
  // Of the protocol: 10 or 11.
  unsigned version = 11;
  // An EventSource that comes back would take any status but 200 for the end: what is refused for a
  // while only, it is told as the event `failed`, after which it tries again.
  bool comes_back = false;
  // When the client is to come back after the stream has broken.
  Duration retry{};
  // Counts as a stream while it lives.
  Place place;
};

// Opens the subscription, and keeps itself alive until it is over. The response begins with the
// first message, so that a refusal has a status of its own. Half of the connection is enough: a
// client may shut down its sending side; a reset ends the stream at once.
//
// The HTTP thread.
void RespondWithEvents(Peer peer, EventTerms terms);

}  // namespace vigil
