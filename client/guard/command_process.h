// The command that `vigil run` guards.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "guard/watcher.h"
#include "vigil/boot_clock.h"
#include "vigil/error.h"

namespace vigil::client {

// A child process at the head of a process group of its own, with the guardian's standard streams.
//
// It cannot outlive the guardian: the kernel kills it when the *thread* that spawned it ends
// (PR_SET_PDEATHSIG), and the watcher kills its group. Spawn it, therefore, on the main thread.
//
// Thread: one caller at a time, the one that called Spawn.
class CommandProcess {
 public:
  // Returns when the command runs, or with NOT_FOUND or PERMISSION_DENIED when it cannot.
  // `environment` is added to the guardian's own. The watcher guards the group until `kill_at`
  // before its first instruction.
  static Result<CommandProcess> Spawn(const std::vector<std::string>& command,
                                      const std::map<std::string, std::string>& environment,
                                      const Watcher& watcher, Time kill_at);

  pid_t group() const { return pid_; }

  // To every process of the group.
  void Signal(int number) const;

  // After SIGCHLD: the command's exit code, or 128 plus the number of the signal that killed it,
  // once it has ended. What it left behind in its group is killed then, and the watcher released,
  // before its number can become another's.
  std::optional<int> Reap(const Watcher& watcher);

 private:
  explicit CommandProcess(pid_t pid) : pid_(pid) {}

  pid_t pid_;
};

}  // namespace vigil::client
