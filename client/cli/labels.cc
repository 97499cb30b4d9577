#include "cli/labels.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <vector>

namespace vigil::client {

void AddLabels(CLI::App& app, std::map<std::string, std::string>& labels, const std::string& help,
               const char* name) {
  const auto set = [&labels](const std::vector<std::string>& pairs) {
    for (const std::string& pair : pairs) {
      const std::size_t equals = pair.find('=');
      labels[pair.substr(0, equals)] = pair.substr(equals + 1);
    }
  };
  const auto wrong = [](const std::string& pair) {
    return pair.find('=') != std::string::npos ? std::string() : "'" + pair + "' is not NAME=VALUE";
  };
  app.add_option_function<std::vector<std::string>>(name, set, help)
      ->check(wrong)
      ->allow_extra_args(false)
      ->type_name("NAME=VALUE");
}

}  // namespace vigil::client
