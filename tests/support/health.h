// Whether a coordinator serves, asked as an orchestrator would.
#pragma once

#include <string>

#include "base/clock.h"

namespace vigil {

// Watches the standard health service at the address ("host:port") until it says SERVING. False
// when it has not within this time.
bool AwaitServing(const std::string& address, Duration within);

}  // namespace vigil
