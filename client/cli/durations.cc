#include "cli/durations.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <array>
#include <charconv>
#include <string>
#include <utility>

namespace vigil::client {
namespace {

constexpr Duration kLongest = std::chrono::hours(24 * 365);

// "ms" before "m", so that the longer unit is taken.
constexpr std::array<std::pair<std::string_view, Duration>, 4> kUnits = {
    {{"ms", std::chrono::milliseconds(1)},
     {"s", std::chrono::seconds(1)},
     {"m", std::chrono::minutes(1)},
     {"h", std::chrono::hours(1)}}};

}  // namespace

std::optional<Duration> ParseDuration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  Duration sum{};
  while (!text.empty()) {
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    bool known = false;
    for (const auto& [unit, length] : kUnits) {
      if (!text.starts_with(unit)) continue;
      if (number > kLongest / length) return std::nullopt;
      sum += length * number;
      text.remove_prefix(unit.size());
      known = true;
      break;
    }
    if (!known || sum > kLongest) return std::nullopt;
  }
  return sum;
}

CLI::Option* AddDuration(CLI::App& app, const char* name, Duration& value, const char* help) {
  const auto set = [&value](const std::string& text) {
    value = ParseDuration(text).value_or(value);
  };
  const auto wrong = [](const std::string& text) {
    return ParseDuration(text) ? std::string()
                               : "'" + text + "' is no duration; write 500ms, 3s or 1m30s";
  };
  return app.add_option_function<std::string>(name, set, help)->check(wrong)->type_name("DURATION");
}

}  // namespace vigil::client
