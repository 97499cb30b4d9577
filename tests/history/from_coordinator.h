// Histories of what a coordinator tells the streams of its subscribers.
#pragma once

#include "coordinator/subscriber_stream.h"
#include "history/history.h"

namespace vigil::history {

Opened FromRequest(const SubscriptionRequest& request);
Record FromMessage(const SubscriberMessage& message, Instant at);

}  // namespace vigil::history
