#include <memory>

#include "commands.h"
#include "work.h"

namespace vigil::bench {

Bench AddWork(CLI::App& app) {
  auto options = std::make_shared<WorkOptions>();
  auto* command = app.add_subcommand("work", "claims a second beside pgbench");
  command
      ->add_option("--claimers", options->claimers, "claims with each of these numbers of claimers")
      ->delimiter(',')
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  command->add_option("--claims", options->claims, "of all claimers together, in one trial")
      ->check(CLI::Range(10, 1'000'000))
      ->capture_default_str();
  command->add_option("--rounds", options->rounds, "trials of each kind, of Vigil and of pgbench")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  AddLogLevel(*command, options->log_level);
  return {command, [options] { return MeasureWork(*options); }, WorkTable};
}

}  // namespace vigil::bench
