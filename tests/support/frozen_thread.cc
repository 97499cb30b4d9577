#include "support/frozen_thread.h"

#include <sys/ptrace.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace vigil {
namespace {

// Nothing is called that: 0.
pid_t ThreadNamed(pid_t process, const std::string& name) {
  std::error_code gone;
  const std::string tasks = "/proc/" + std::to_string(process) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks, gone)) {
    std::string found;
    std::getline(std::ifstream(task.path() / "comm"), found);
    if (found == name) return std::stoi(task.path().filename());
  }
  return 0;
}

Failure Cannot(const std::string& what) {
  return Fail(Error{.message = "cannot freeze a thread: " + what,
                    .hint = "Run the tests as root, or with CAP_SYS_PTRACE."});
}

}  // namespace

Result<std::unique_ptr<FrozenThread>> FrozenThread::Freeze(pid_t process, const std::string& name) {
  const pid_t thread = ThreadNamed(process, name);
  if (thread == 0) return Cannot("the process has none that is called " + name);
  if (ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) != 0) return Cannot(std::strerror(errno));
  std::unique_ptr<FrozenThread> frozen(new FrozenThread(thread));
  int status = 0;
  if (ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr) != 0 ||
      waitpid(thread, &status, __WALL) != thread || !WIFSTOPPED(status)) {
    return Cannot(std::strerror(errno));
  }
  return frozen;
}

FrozenThread::~FrozenThread() { ptrace(PTRACE_DETACH, thread_, nullptr, nullptr); }

}  // namespace vigil
