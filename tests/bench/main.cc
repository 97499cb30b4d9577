// vigil_bench: a subcommand for each thing that is measured. The result alone goes to standard
// output.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>

#include "death.h"

namespace {

using vigil::bench::DeathOptions;
using vigil::client::Profile;

int Print(const vigil::Result<vigil::bench::Json>& measured, const std::string& output,
          std::string (*table)(const vigil::bench::Json&)) {
  if (!measured) {
    std::fprintf(stderr, "vigil_bench: %s\n  %s\n", measured.error().message.c_str(),
                 measured.error().hint.c_str());
    return 1;
  }
  std::puts((output == "json" ? measured->dump() : table(*measured)).c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures Vigil beside what it is made of", "vigil_bench");
  app.require_subcommand(1);
  app.footer("Exit codes: 0 measured, 1 could not measure, 2 wrong usage.");

  DeathOptions death;
  int64_t lease_ms = 3000;
  std::string output = "table";
  auto* command = app.add_subcommand(
      "death", "SIGKILL of a pod until a survivor knows, and until it owns the pod's work");
  command->add_option("--profile", death.profile, "fast or strict")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, Profile>{{"fast", Profile::kFast}, {"strict", Profile::kStrict}}))
      ->default_str("fast");
  command->add_option("--lease", lease_ms, "the victim's lease, such as 500ms or 3s")
      ->transform(CLI::AsNumberWithUnit(
          std::map<std::string, int64_t>{{"ms", 1}, {"s", 1000}, {"m", 60000}},
          CLI::AsNumberWithUnit::Options(CLI::AsNumberWithUnit::CASE_SENSITIVE |
                                         CLI::AsNumberWithUnit::UNIT_REQUIRED)))
      ->check(CLI::Range(int64_t{500}, int64_t{60000}).description("500ms to 60s"))
      ->default_str("3s");
  command->add_option("--samples", death.samples, "rounds that count")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_option("--warm-up", death.warm_up, "rounds before, which do not count")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  command->add_option("--log-level", death.log_level, "of the coordinator; debug shows its log")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  command->add_option("-o,--output", output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  death.lease = std::chrono::milliseconds(lease_ms);
  if (command->parsed()) return Print(MeasureDeath(death), output, vigil::bench::DeathTable);
  return 2;
}
