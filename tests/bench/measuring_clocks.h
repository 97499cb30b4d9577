// Clocks that only measurements read, beside the boot clock.
#pragma once

#include <sys/types.h>

#include "base/clock.h"
#include "base/error.h"

namespace vigil::bench {

// The processor time that a process has used so far, all of its threads.
Result<Duration> ProcessorTimeOf(pid_t process);

// The Unix time of the wall clock minus the boot clock, to some microseconds: what turns a
// timestamp of Postgres on this machine into an Instant. It changes only when somebody sets the
// wall clock.
Duration WallClockAheadOfBoot();

// An error when somebody has set the wall clock since it was so far ahead.
Result<void> RequireWallClock(Duration ahead);

}  // namespace vigil::bench
