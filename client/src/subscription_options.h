// What can be known of a subscription's options before anything is sent.
#pragma once

#include <optional>

#include "vigil/subscription.h"

namespace vigil::client {

// Why they make no sense; nothing when they may.
std::optional<Error> FindMistake(const Subscription::Options& options);

}  // namespace vigil::client
