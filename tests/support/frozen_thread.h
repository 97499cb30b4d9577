// One thread of another process that does not get on, while all others do: as a debugger does it.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "base/error.h"

namespace vigil {

// The thread stands still from Freeze until this goes, which must be before its process does. Only
// the thread that froze it may let it go.
class FrozenThread {
 public:
  // The first thread of this name (/proc/PID/task/TID/comm). An error when there is none, or when
  // this process may not trace that one.
  static Result<std::unique_ptr<FrozenThread>> Freeze(pid_t process, const std::string& name);

  ~FrozenThread();
  FrozenThread(const FrozenThread&) = delete;
  FrozenThread& operator=(const FrozenThread&) = delete;

 private:
  explicit FrozenThread(pid_t thread) : thread_(thread) {}

  const pid_t thread_;
};

}  // namespace vigil
