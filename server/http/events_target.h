// What a GET of the event log asks for: its target and its Last-Event-ID, read and checked.
#pragma once

#include <string_view>

#include "base/error.h"
#include "coordinator/subscriber_stream.h"

namespace vigil {

inline constexpr std::string_view kEventsPath = "/v1/events";

// The id that comes with `expired`. It is no cursor: whoever comes back with it, as an EventSource
// does of its own accord, is told to stop.
inline constexpr std::string_view kExpiredId = "expired";

// Reads a target such as `/v1/events?namespace=default&kind=POD_DIED,POD_LEFT&label=zone=eu-1`.
// `last_event_id` is the header's value, empty when there is none; it wins over the start that the
// target names, which must be well-formed all the same. Percent-encoding and `+` for a space are
// those of HTML forms.
//
// REQUIRES: the target's path is kEventsPath.
// Error INVALID_FIELD: a parameter is unknown, malformed, missing or given twice. INVALID_CURSOR.
Result<SubscriptionRequest> ParseEventsTarget(std::string_view target,
                                              std::string_view last_event_id = {});

}  // namespace vigil
