// The ways in which a pod fails to be renewed, as it tells them.
#pragma once

#include <string_view>

#include "vigil/boot_clock.h"
#include "vigil/error.h"

namespace vigil::client {

// Whether the coordinator said that it did not take the session. Everything else may be a lost
// answer.
bool IsRefusal(const Error& error);

// Whether another coordinator might take what this one refused.
bool IsOfOneCoordinator(const Error& error);

// Whether this is what an ended incarnation ended by.
bool HasCause(const Error& error, std::string_view cause);

// Nobody answered.
Error Silence(std::string_view message);

// The local deadline passed; what failed last may be why.
Error LeaseEnded(const Error& last_failure);

// Nothing of this process ran for so long.
Error Paused(Duration length);

// The application did not feed its watchdog for so long.
Error WatchdogStarved(Duration watchdog);

}  // namespace vigil::client
