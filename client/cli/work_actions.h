// What the commands of `vigil work` do. Each returns the exit code.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "cli/context.h"
#include "vigil/work.h"

namespace vigil::client {

// The options of all commands about work; each command adds those that it reads.
struct WorkOptions {
  Caller caller;
  std::string key;
  // A payload, checkpoint or result; "-" stands for what is on stdin.
  std::string text;
  std::string reason;
  std::string to;
  std::uint64_t fence = 0;
  std::uint64_t owner = 0;
  bool expected_given = false;
  std::uint32_t limit = 10;
  bool orphans = false;
  bool claimable = false;
  bool quarantined = false;
  bool all = false;
  WorkTraits traits;
  WorkChoice choice;
};

int ListWork(const Context& context, const WorkOptions& options);
int GetWork(const Context& context, const WorkOptions& options);
int StartWork(const Context& context, const WorkOptions& options);
int ClaimWork(const Context& context, const WorkOptions& options);
int CheckpointWork(const Context& context, const WorkOptions& options);
int CompleteWork(const Context& context, const WorkOptions& options);
int ReleaseWork(const Context& context, const WorkOptions& options);
int FailWork(const Context& context, const WorkOptions& options);
int TransferWork(const Context& context, const WorkOptions& options);

}  // namespace vigil::client
