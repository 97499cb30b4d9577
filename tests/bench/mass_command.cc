#include <memory>

#include "commands.h"
#include "mass.h"

namespace vigil::bench {

Bench AddMass(CLI::App& app) {
  auto options = std::make_shared<MassOptions>();
  auto* command = app.add_subcommand(
      "mass",
      "how soon the pods of a lost coordinator, and the work of many dead, go on elsewhere");
  command->add_option("--pods", options->pods, "a coordinator is lost with each of these numbers")
      ->delimiter(',')
      ->check(CLI::Range(4, 5000))
      ->capture_default_str();
  command->add_option("--losses", options->losses, "of a coordinator, with each number of pods")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--dead", options->dead, "recoveries of each of these numbers of dead pods")
      ->delimiter(',')
      ->check(CLI::Range(1, 4000))
      ->capture_default_str();
  command->add_option("--recoveries", options->recoveries, "of each number")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  AddLogLevel(*command, options->log_level);
  return {command, [options] { return MeasureMass(*options); }, MassTable};
}

}  // namespace vigil::bench
