#include <algorithm>
#include <memory>
#include <set>
#include <string>

#include "commands.h"
#include "peer_kinds.h"
#include "peers.h"

namespace vigil::bench {

Bench AddPeers(CLI::App& app) {
  auto options = std::make_shared<PeersOptions>();
  std::set<std::string> known{"none"};
  for (const PeerKind& kind : PeerKinds()) {
    options->peers.push_back(kind.name);
    known.insert(kind.name);
  }
  auto* command = app.add_subcommand(
      "peers", "the same death with other systems, and with the polling design, beside Vigil");
  command->add_option("--samples", options->samples, "rounds that count, of what is fast")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--warm-up", options->warm_up, "rounds before, which do not count")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  command->add_option("--slow-samples", options->slow_samples, "rounds of what takes seconds")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command
      ->add_option("--peers", options->peers, "the other systems, if they are installed; or none")
      ->delimiter(',')
      ->check(CLI::IsMember(known))
      ->capture_default_str();
  command->add_option("--pods", options->pods, "the database's cost of each of these numbers")
      ->delimiter(',')
      ->check(CLI::Range(1, 2000))
      ->capture_default_str();
  command->add_option("--window", options->window_seconds, "how long each is watched, in s")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  AddLogLevel(*command, options->log_level);
  const auto measure = [options] {
    PeersOptions asked = *options;
    std::ranges::sort(asked.pods);
    asked.pods.erase(std::unique(asked.pods.begin(), asked.pods.end()), asked.pods.end());
    return MeasurePeers(asked);
  };
  return {command, measure, PeersTable};
}

}  // namespace vigil::bench
