// What an orchestrator runs beside `vigild serve`, in a container that has no shell to run anything
// else. Each returns the exit code of the process, as commands.h has it.
#pragma once

#include <string>

#include "base/clock.h"

namespace vigil {

// Asks the coordinator that serves HTTP at this address whether it lives, or whether it is `ready`
// to serve: 0 when it says yes, 1 when it says no or nothing, with what it said. At most for 5 s,
// beside the look-up of a host name.
int CheckHealth(const std::string& http_address, bool ready);

// Waits for this long, so that whoever sends traffic here has heard that the container stops before
// the coordinator does. SIGTERM or SIGINT end it early.
int WaitBeforeStop(Duration delay);

}  // namespace vigil
