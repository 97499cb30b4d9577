// What a Postgres costs, seen from outside.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "base/clock.h"
#include "base/error.h"

namespace vigil::bench {

// The processor time that all processes of a Postgres have used so far, those that have ended too.
// What ended is known to the kernel's tick, 10 ms or so; the rest to the nanosecond.
Result<Duration> DatabaseTimeOf(pid_t postmaster);

// What MemoryOf says of each of them, added up: what they share counts once.
Result<int64_t> DatabaseMemoryOf(pid_t postmaster);

}  // namespace vigil::bench
