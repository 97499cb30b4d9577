// The process that outlives the guardian by a moment.
#pragma once

#include <sys/types.h>

#include "vigil/boot_clock.h"
#include "vigil/error.h"

namespace vigil::client {

// A child process that shares nothing with the guardian but a pipe. When the pipe ends, because the
// guardian was killed, or when the last deadline that came through it passes, because the guardian
// was stopped or hangs, it kills the command's whole process group with SIGKILL. It is in a session
// of its own, so that what is sent to the guardian's group does not reach it.
//
// Owns the writing end of the pipe. Fork it before there is a second thread, so that it is as small
// as a process can be.
//
// Thread safety: one caller at a time; the functions of CommandProcess write from a forked child,
// too.
//
// It does not promise to reach processes that left the command's process group. A watcher that is
// killed is replaced at the guardian's next word; when both are killed at once, the kernel still
// takes the command itself down (PR_SET_PDEATHSIG), but not what the command has started.
class Watcher {
 public:
  static Result<Watcher> Fork();

  Watcher(Watcher&& other) noexcept;
  Watcher& operator=(Watcher&&) = delete;
  ~Watcher();

  // Kill this group at that time, or when the guardian is gone; replaces what was said before.
  // False when the process is gone. Async-signal-safe. REQUIRES: SIGPIPE is ignored.
  bool Guard(pid_t group, Time kill_at) const;
  // Forks another process in the place of one that is gone. The child makes only calls that are
  // safe after a fork from a process with threads.
  Result<void> Replace();
  // The group has ended; its number may be another's from now on.
  void Release() const { Guard(0, Time::max()); }

 private:
  explicit Watcher(int pipe) : pipe_(pipe) {}

  int pipe_;
};

}  // namespace vigil::client
