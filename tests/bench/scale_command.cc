#include <memory>

#include "commands.h"
#include "scale.h"

namespace vigil::bench {

Bench AddScale(CLI::App& app) {
  auto options = std::make_shared<ScaleOptions>();
  auto* command = app.add_subcommand(
      "scale", "what many living pods cost beside a raw echo, and how that grows");
  command->add_option("--pods", options->pods, "rounds for each of these numbers, which grow")
      ->delimiter(',')
      ->check(CLI::Range(1, 20'000))
      ->capture_default_str();
  command
      ->add_option("--coordinators", options->coordinators,
                   "the last number of pods once more over so many; 1 for not")
      ->check(CLI::Range(1, 4))
      ->capture_default_str();
  command->add_option("--own", options->own, "the same with a connection for each pod; 0 for none")
      ->delimiter(',')
      ->check(CLI::Range(0, 20'000))
      ->capture_default_str();
  command
      ->add_option("--pods-per-connection", options->pods_per_connection,
                   "in the rounds that share connections")
      ->check(CLI::Range(1, 5'000))
      ->capture_default_str();
  command->add_option("--seconds", options->seconds, "that each window lasts")
      ->check(CLI::Range(1, 600))
      ->capture_default_str();
  command
      ->add_option("--items", options->items, "work items of the last number of pods; 0 for none")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  AddLogLevel(*command, options->log_level);
  return {command, [options] { return MeasureScale(*options); }, ScaleTable};
}

}  // namespace vigil::bench
