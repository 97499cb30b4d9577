// Whether a coordinator serves, asked as an orchestrator would.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "vigil/client.h"

namespace vigil {

// Watches the standard health service at the address ("host:port") until it says SERVING. False
// when it has not within this time. In plain text, or over TLS as this caller.
bool AwaitServing(const std::string& address, Duration within,
                  const std::optional<client::Tls>& tls = {});

}  // namespace vigil
