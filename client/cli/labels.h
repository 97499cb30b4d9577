// Labels on the command line: NAME=VALUE.
#pragma once

#include <map>
#include <string>

namespace CLI {
class App;
}

namespace vigil::client {

// An option that may be given any number of times.
void AddLabels(CLI::App& app, std::map<std::string, std::string>& labels, const std::string& help,
               const char* name = "--label");

}  // namespace vigil::client
