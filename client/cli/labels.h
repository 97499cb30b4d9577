// Labels on the command line: NAME=VALUE.
#pragma once

#include <map>
#include <string>

namespace CLI {
class App;
}

namespace vigil::client {

// The option `--label`, any number of times.
void AddLabels(CLI::App& app, std::map<std::string, std::string>& labels, const std::string& help);

}  // namespace vigil::client
