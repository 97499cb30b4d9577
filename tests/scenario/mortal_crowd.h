// Many pods with work in a process of their own, so that all of them die at once.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "support/reporting_process.h"

namespace vigil {

// They register, each starts its items, and they live until the process is killed.
//
// It reports `ready` when all of this is done, or `failed` (message).
struct MortalCrowd {
  std::vector<std::string> addresses;
  std::string prefix = "doomed-";
  int pods = 1;
  // Of each pod and policy: PREFIXpod-0/compete-0, ..., PREFIXpod-0/assign-0, ...
  int compete = 0;
  int assign = 0;
  // What a pod must have that the items of the policy ASSIGN are given to.
  std::map<std::string, std::string> heirs;
  Duration lease = std::chrono::seconds(10);
};

Result<std::unique_ptr<ReportingProcess>> RunMortalCrowd(const MortalCrowd& crowd);

// In main: the exit code, if this process was started to be such a crowd.
std::optional<int> PlayCrowdIfAsked(int argc, char** argv);

}  // namespace vigil
