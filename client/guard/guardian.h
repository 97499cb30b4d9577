// `vigil run`: one pod, one work item, one command.
#pragma once

#include <string>
#include <vector>

#include "guard/watcher.h"
#include "vigil/client.h"
#include "vigil/pod_session.h"
#include "vigil/work.h"

namespace vigil::client {

struct RunOptions {
  PodSession::Options pod;
  std::string key;
  std::string payload;
  // If this pod is the first to start it.
  WorkTraits traits;
  std::vector<std::string> command;
  // Between the signal that stops the command and SIGKILL.
  Duration stop_timeout = std::chrono::seconds(10);
  // How long the command may go without feeding its watchdog; none when zero, and at least
  // CommandWatchdog::kShortest.
  Duration watchdog{};
  // Progress for programs.
  bool json = false;
};

// A Runner of one item, whose work function is the command: registers, gets the work item, runs the
// command under the pod's lease, and completes the item, gives it back, or gives it up as failed.
// Returns the exit code of `vigil run`.
//
// REQUIRES: called on the main thread, after BlockSignals; the watcher was forked before the client
// was made.
//
// Invariants:
//   1. The command runs only while the pod owns the item and its lease is valid; it is told to stop
//   when the lease comes to the stop margin, and its whole process group is killed before the lease
//   ends, by the guardian or by the watcher.
//   2. A command that does not feed its watchdog is stopped in the same way, and has failed.
//   3. The pod leaves only when the command's whole group has ended.
//
// It does not promise to reach what leaves the process group (setsid), nor to stop a machine that
// is suspended as a whole: the fence in VIGIL_FENCE is what refuses late writes.
int RunGuardian(const Client& client, const RunOptions& options, Watcher& watcher);

}  // namespace vigil::client
