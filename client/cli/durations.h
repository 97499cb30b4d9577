// Durations on the command line: "3s", "500ms", "1m30s".
#pragma once

#include <optional>
#include <string_view>

#include "vigil/boot_clock.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace vigil::client {

// Whole numbers with the units ms, s, m and h, one after the other; nothing else, and nothing above
// a year.
std::optional<Duration> ParseDuration(std::string_view text);

// An option that takes such a duration.
CLI::Option* AddDuration(CLI::App& app, const char* name, Duration& value, const char* help);

}  // namespace vigil::client
