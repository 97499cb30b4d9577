// vigil_bench: a subcommand for each thing that is measured. The result alone goes to standard
// output.
#include <CLI/CLI.hpp>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "death.h"
#include "fanout.h"
#include "work.h"

namespace {

using vigil::bench::DeathOptions;
using vigil::bench::FanoutOptions;
using vigil::bench::WorkOptions;

// A whole number of ms or s, as long as a lease may be.
std::optional<vigil::Duration> ParseLease(std::string_view text) {
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

int Print(const vigil::Result<vigil::bench::Json>& measured, const std::string& output,
          std::string (*table)(const vigil::bench::Json&)) {
  if (!measured) {
    std::fprintf(stderr, "vigil_bench: %s\n  %s\n", measured.error().message.c_str(),
                 measured.error().hint.c_str());
    return 1;
  }
  std::printf("%s",
              output == "json" ? (measured->dump() + "\n").c_str() : table(*measured).c_str());
  return 0;
}

void AddCommonOptions(CLI::App& command, std::string& log_level, std::string& output) {
  command.add_option("--log-level", log_level, "of the coordinator; debug shows its log")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  command.add_option("-o,--output", output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
}

CLI::App* AddWork(CLI::App& app, WorkOptions& work) {
  auto* command = app.add_subcommand(
      "work", "claims a second beside pgbench, and how soon the work of many dead is taken over");
  command->add_option("--claimers", work.claimers, "claims with each of these numbers of claimers")
      ->delimiter(',')
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  command->add_option("--claims", work.claims, "of all claimers together, in one trial")
      ->check(CLI::Range(10, 1'000'000))
      ->capture_default_str();
  command->add_option("--rounds", work.rounds, "trials of each kind, of Vigil and of pgbench")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--pods", work.pods, "recoveries of each of these numbers of dead pods")
      ->delimiter(',')
      ->check(CLI::Range(1, 4000))
      ->capture_default_str();
  command->add_option("--recoveries", work.recoveries, "of each number")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  return command;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures Vigil beside what it is made of", "vigil_bench");
  app.require_subcommand(1);
  app.footer("Exit codes: 0 measured, 1 could not measure, 2 wrong usage.");

  DeathOptions death;
  std::string profile = "fast";
  std::string lease = "3s";
  std::string output = "table";
  auto* command = app.add_subcommand(
      "death", "SIGKILL of a pod until a survivor knows, and until it owns the pod's work");
  command->add_option("--profile", profile, "the victim's: fast or strict")
      ->check(CLI::IsMember({"fast", "strict"}))
      ->capture_default_str();
  command->add_option("--lease", lease, "the victim's, 500ms to 60s")
      ->check([](const std::string& text) {
        return ParseLease(text) ? std::string() : "'" + text + "' is not from 500ms to 60s";
      })
      ->capture_default_str();
  command->add_option("--samples", death.samples, "rounds that count")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_option("--warm-up", death.warm_up, "rounds before, which do not count")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  AddCommonOptions(*command, death.log_level, output);

  FanoutOptions fanout;
  auto* fanout_command = app.add_subcommand(
      "fanout", "commit of an event until its subscribers have it, and what that costs");
  fanout_command->add_option("--subscribers", fanout.subscribers, "a round for each of these")
      ->delimiter(',')
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  fanout_command->add_option("--samples", fanout.samples, "events of each round that count")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  fanout_command->add_option("--warm-up", fanout.warm_up, "events before, which do not count")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  AddCommonOptions(*fanout_command, fanout.log_level, output);

  WorkOptions work;
  auto* work_command = AddWork(app, work);
  AddCommonOptions(*work_command, work.log_level, output);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (profile == "strict") death.profile = vigil::client::Profile::kStrict;
  death.lease = *ParseLease(lease);
  if (command->parsed()) return Print(MeasureDeath(death), output, vigil::bench::DeathTable);
  if (fanout_command->parsed()) {
    return Print(MeasureFanout(fanout), output, vigil::bench::FanoutTable);
  }
  if (work_command->parsed()) return Print(MeasureWork(work), output, vigil::bench::WorkTable);
  return 2;
}
