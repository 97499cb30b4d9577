// The signals that a guardian reads instead of being interrupted by them.
#pragma once

namespace vigil::client {

// Block them before the first thread starts. Ignores those that a guardian never wants.
void BlockSignals();

// A descriptor that can be read, without blocking, for a signalfd_siginfo of each that came:
// SIGCHLD and whatever a supervisor or a terminal may send.
int OpenSignals();

// Whether the signal asks to stop. What a terminal sends at its end is the command's to judge, once
// there is one.
bool AsksToStop(int number, bool command_runs);

}  // namespace vigil::client
