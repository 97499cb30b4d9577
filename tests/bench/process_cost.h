// What a server process costs, seen from outside.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "base/error.h"

namespace vigil::bench {

// The memory that would be free without the process: its own pages, and its share of those that
// others have too.
Result<int64_t> MemoryOf(pid_t process);

// What was sent so far on the connections that are open at a listening port of this machine, as the
// kernel counts it: everything above TCP.
Result<int64_t> BytesSentFrom(int port);

}  // namespace vigil::bench
