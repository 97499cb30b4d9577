// What the chains share: waiting for their processes, with limits.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "support/process.h"

namespace vigil::bench {

// Beyond this a start has failed.
inline constexpr Duration kStartLimit = std::chrono::seconds(30);

// The bench could not measure: something around it went wrong.
Error Unmeasurable(std::string message);

// The rest of the first line that begins with `words`, waited for.
Result<std::string> AwaitWords(Process& process, const std::string& words,
                               Duration within = kStartLimit);

// So that what is measured spreads over what repeats itself by the clock.
Duration RandomPeace(Duration shortest, Duration longest);

// Lets this process, and those that it starts, each have so many connections.
Result<void> AllowConnections(int connections);

// Returns when the process has been left alone for so long; an error if it ended meanwhile.
Result<void> LeaveInPeace(Process& process, Duration peace);

}  // namespace vigil::bench
