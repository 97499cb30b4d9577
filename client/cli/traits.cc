#include "cli/traits.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <map>
#include <string>

#include "cli/durations.h"
#include "cli/labels.h"

namespace vigil::client {

void AddTraits(CLI::App& app, WorkTraits& traits, const char* label) {
  const std::map<std::string, RecoveryPolicy> policies = {{"compete", RecoveryPolicy::kCompete},
                                                          {"assign", RecoveryPolicy::kAssign},
                                                          {"sticky", RecoveryPolicy::kSticky}};
  app.add_option("--kind", traits.kind, "What kind of work it is")->type_name("KIND");
  AddLabels(app, traits.labels, "A label of the item; several times for several", label);
  app.add_option("--policy", traits.policy,
                 "Who takes it over when its owner is gone: compete, whoever claims it; assign, "
                 "whom the coordinators choose; sticky, its owner's name")
      ->transform(CLI::CheckedTransformer(policies, CLI::ignore_case))
      ->type_name("POLICY");
  AddLabels(app, traits.selector,
            "With assign: a label that a pod must have to be given it; several times for several",
            "--selector");
  AddDuration(app, "--sticky-wait", traits.sticky_wait,
              "With sticky: how long it waits for its owner's name; 30s when not given");
  app.add_option("--max-adoptions", traits.max_adoptions,
                 "How often it may be taken over from an owner that died or failed; 5 when not "
                 "given")
      ->check(CLI::Range(1, 1'000'000));
}

}  // namespace vigil::client
