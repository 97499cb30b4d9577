// Where a program of a test runs.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "support/process.h"

namespace vigil {

// By default beside the test itself.
struct Machine {
  // Where it can be reached.
  std::string address = "127.0.0.1";
  // What a command must begin with to run there: `nsenter` and where to, say.
  std::vector<std::string> enter;
  // Added to that of every command.
  std::map<std::string, std::string> environment;
};

// The same program, there.
Process::Options On(const Machine& machine, Process::Options program);

}  // namespace vigil
