// vigil_bench: a subcommand for each thing that is measured. The result alone goes to standard
// output.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <vector>

#include "commands.h"

namespace vigil::bench {
namespace {

int Print(const Bench& bench, const std::string& output) {
  const auto measured = bench.measure();
  if (!measured) {
    std::fprintf(stderr, "vigil_bench: %s\n  %s\n", measured.error().message.c_str(),
                 measured.error().hint.c_str());
    return 1;
  }
  const std::string text = output == "json" ? measured->dump() + "\n" : bench.table(*measured);
  std::printf("%s", text.c_str());
  return 0;
}

}  // namespace

void AddLogLevel(CLI::App& command, std::string& log_level) {
  command.add_option("--log-level", log_level, "of the coordinator; debug shows its log")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
}

}  // namespace vigil::bench

int main(int argc, char** argv) {
  using namespace vigil::bench;
  CLI::App app("Measures Vigil beside what it is made of", "vigil_bench");
  app.require_subcommand(0, 1);
  bool list = false;
  app.add_flag("--list", list, "the names of the benches");
  app.footer("Exit codes: 0 measured, 1 could not measure, 2 wrong usage.");
  const std::vector<Bench> benches{AddDeath(app), AddFanout(app), AddWork(app),
                                   AddMass(app),  AddPeers(app),  AddScale(app)};
  std::string output = "table";
  for (const Bench& bench : benches) {
    bench.command->add_option("-o,--output", output, "table or json")
        ->check(CLI::IsMember({"table", "json"}))
        ->capture_default_str();
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  for (const Bench& bench : benches) {
    if (bench.command->parsed()) return Print(bench, output);
    if (list) std::printf("%s\n", bench.command->get_name().c_str());
  }
  if (!list) std::fprintf(stderr, "%s", app.help().c_str());
  return list ? 0 : 2;
}
