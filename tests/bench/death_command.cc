#include <charconv>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "commands.h"
#include "death.h"

namespace vigil::bench {
namespace {

// A whole number of ms or s, as long as a lease may be.
std::optional<Duration> ParseLease(std::string_view text) {
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  const std::string_view unit(parsed.ptr, static_cast<size_t>(end - parsed.ptr));
  if (parsed.ec != std::errc() || (unit != "ms" && unit != "s")) return std::nullopt;
  if (number < 1 || number > 60'000) return std::nullopt;
  const auto lease = std::chrono::milliseconds(unit == "s" ? number * 1000 : number);
  if (lease < std::chrono::milliseconds(500) || lease > std::chrono::seconds(60)) return {};
  return lease;
}

struct DeathFlags {
  DeathOptions options;
  std::string profile = "both";
  // As many as the options say when absent.
  std::optional<int> samples;
  std::string lease = "1s";
};

}  // namespace

Bench AddDeath(CLI::App& app) {
  auto flags = std::make_shared<DeathFlags>();
  auto* command = app.add_subcommand(
      "death", "SIGKILL of a pod until a survivor knows, and until it owns the pod's work");
  command->add_option("--profile", flags->profile, "the victim's: fast, strict, or rounds of both")
      ->check(CLI::IsMember({"fast", "strict", "both"}))
      ->capture_default_str();
  command->add_option("--lease", flags->lease, "the victim's, 500ms to 60s")
      ->check([](const std::string& text) {
        return ParseLease(text) ? std::string() : "'" + text + "' is not from 500ms to 60s";
      })
      ->capture_default_str();
  command->add_option("--samples", flags->samples, "rounds that count, of each profile")
      ->check(CLI::Range(1, 10000))
      ->default_str("50 fast, 20 strict");
  command->add_option("--warm-up", flags->options.warm_up, "rounds before, which do not count")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  AddLogLevel(*command, flags->options.log_level);
  const auto measure = [flags] {
    DeathOptions options = flags->options;
    if (flags->samples) options.fast_samples = options.strict_samples = *flags->samples;
    if (flags->profile == "strict") options.fast_samples = 0;
    if (flags->profile == "fast") options.strict_samples = 0;
    options.lease = *ParseLease(flags->lease);
    return MeasureDeath(options);
  };
  return {command, measure, DeathTable};
}

}  // namespace vigil::bench
