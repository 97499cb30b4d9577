// The exit codes of `vigil run` that are not its command's.
#pragma once

namespace vigil::client {

enum RunExit : int {
  kRunLost = 120,         // the pod was LOST, and the command was stopped
  kRunFenced = 121,       // somebody else took the work over before it could be completed
  kRunRefused = 122,      // the registration was refused
  kRunUnreachable = 123,  // no coordinator could be reached
  kRunStarved = 124,      // the command did not feed its watchdog, and was stopped
  kRunFailed = 125,       // vigil run itself failed
  kRunCannotExecute = 126,
  kRunNotFound = 127,
  kRunSignalled = 128,  // plus the number of the signal that stopped vigil run
};

}  // namespace vigil::client
