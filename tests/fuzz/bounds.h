// The bounds of the contract, written down once more: what is accepted lies within them.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "coordinator/subscriber_stream.h"
#include "core/types.h"

namespace vigil {

void RequireNamespace(std::string_view ns);
// 1 to `longest` bytes, none of which is a control character of ASCII.
void RequireText(std::string_view text, size_t longest);
// 16 to 64 letters, digits and '-'.
void RequireSecret(std::string_view text);
void RequireLabels(const std::map<std::string, std::string>& labels);
// 1 to 2^63 - 1.
void RequireNumber(uint64_t number);
// A request to follow a log that was accepted.
void RequireWithinBounds(const SubscriptionRequest& request);

}  // namespace vigil
