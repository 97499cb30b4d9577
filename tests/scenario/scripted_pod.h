// A pod that does what `vigil run` does not: the test's own binary, in another mode.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "support/machine.h"
#include "support/reporting_process.h"

namespace vigil {

// It registers, does this, and lives until it is killed or, by SIGTERM, leaves.
//
// It reports `registered` (incarnation, predecessors: a list of key, owner and fence), `lease`
// (until_ns) whenever its lease has grown, `started` (key, fence) for each item, `ready` when all
// of the below is done or begun, `claimed` (key, fence) for each orphan, `dry` when a round of
// claims found no more, `lost`, and after it `refused` (key, reason) or `written` (key), since it
// then tries to write a checkpoint of each of its items, as a process would that did not look.
struct PodScript {
  std::vector<std::string> addresses;
  std::string ns = "default";
  std::string name;
  bool strict = false;
  std::map<std::string, std::string> labels;
  // In whole milliseconds.
  Duration lease = std::chrono::seconds(3);
  // How many items to start: item-00, item-01, ...
  int items = 0;
  std::string keys = "item-";
  // Set: the items are of the policy ASSIGN, for pods with these labels.
  std::optional<std::map<std::string, std::string>> heirs;
  // Whether to claim orphans, a few at a time, whenever a pod has ended.
  bool claims = false;
  // Begin with the first address, and not with any.
  bool in_order = false;
  Machine machine;
};

Result<std::unique_ptr<ReportingProcess>> RunScriptedPod(const PodScript& script);

// In main: the exit code, if this process was started to play a script.
std::optional<int> PlayIfAsked(int argc, char** argv);

}  // namespace vigil
