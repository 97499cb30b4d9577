// The text of an event stream: what a subscriber is told, as Server-Sent Events.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "coordinator/subscriber_stream.h"

namespace vigil {

// Shared by all subscribers that get the same.
using EventText = std::shared_ptr<const std::string>;

// Whole blocks, never empty. An id stands only where a transaction ends, so that nobody resumes in
// the middle of one; where later events of the delivery were filtered out, the last block is an id
// alone, which an EventSource keeps without dispatching anything.   (P8)
//
// One thread at a time.
EventText ToEventText(const SubscriberMessage& message);

// The first block of a stream: when to come back after it has broken.
std::string OpeningText(Duration retry);

// Why a stream cannot go on.
std::string FailureText(const Error& error);

}  // namespace vigil
