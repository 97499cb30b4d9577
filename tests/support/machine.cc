#include "support/machine.h"

namespace vigil {

Process::Options On(const Machine& machine, Process::Options program) {
  program.command.insert(program.command.begin(), machine.enter.begin(), machine.enter.end());
  program.environment.insert(machine.environment.begin(), machine.environment.end());
  return program;
}

}  // namespace vigil
