#include <memory>

#include "commands.h"
#include "fanout.h"

namespace vigil::bench {

Bench AddFanout(CLI::App& app) {
  auto options = std::make_shared<FanoutOptions>();
  auto* command = app.add_subcommand(
      "fanout", "commit of an event until its subscribers have it, and what that costs");
  command->add_option("--subscribers", options->subscribers, "a round for each of these")
      ->delimiter(',')
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_option("--samples", options->samples, "events of each round that count")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--warm-up", options->warm_up, "events before, which do not count")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  AddLogLevel(*command, options->log_level);
  return {command, [options] { return MeasureFanout(*options); }, FanoutTable};
}

}  // namespace vigil::bench
