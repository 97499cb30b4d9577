#include "guard/command_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

namespace vigil::client {
namespace {

// A running environment with additions, as execvpe wants it. Made before the fork, since the child
// may not allocate.
class Arguments {
 public:
  Arguments(const std::vector<std::string>& command,
            const std::map<std::string, std::string>& environment) {
    for (const std::string& word : command) argv_.push_back(const_cast<char*>(word.c_str()));
    argv_.push_back(nullptr);
    for (char** entry = environ; *entry != nullptr; ++entry) {
      const std::string_view text(*entry);
      if (!environment.contains(std::string(text.substr(0, text.find('=')))))
        envp_.push_back(*entry);
    }
    for (const auto& [name, value] : environment) {
      std::string& addition = additions_.emplace_back(name);
      addition.append("=").append(value);
    }
    for (std::string& addition : additions_) envp_.push_back(addition.data());
    envp_.push_back(nullptr);
  }

  char* const* argv() { return argv_.data(); }
  char* const* envp() { return envp_.data(); }

 private:
  std::vector<char*> argv_;
  std::vector<std::string> additions_;
  std::vector<char*> envp_;
};

// A command that reads from a terminal must be in the terminal's foreground group, or it is
// stopped.
void TakeTerminal(bool in_foreground) {
  if (in_foreground) tcsetpgrp(STDIN_FILENO, getpgrp());
}

bool InForeground() { return isatty(STDIN_FILENO) == 1 && tcgetpgrp(STDIN_FILENO) == getpgrp(); }

// In the child: only async-signal-safe calls, since other threads of the guardian held locks when
// it forked.
[[noreturn]] void Become(Arguments& arguments, const Watcher& watcher, Time kill_at, pid_t guardian,
                         bool foreground, int failure) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != guardian) _exit(1);  // it died before the line above
  watcher.Guard(getpid(), kill_at);
  TakeTerminal(foreground);
  for (const int ignored_by_guardian : {SIGPIPE, SIGTTOU}) signal(ignored_by_guardian, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execvpe(arguments.argv()[0], arguments.argv(), arguments.envp());
  const int reason = errno;
  [[maybe_unused]] const ssize_t size = write(failure, &reason, sizeof reason);
  _exit(127);
}

Error CannotRun(const std::string& command, int reason) {
  const Code code = reason == ENOENT ? Code::kNotFound : Code::kPermissionDenied;
  return {code,
          Reason::kNone,
          "cannot run " + command + ": " + std::strerror(reason),
          "Check the path and the permissions of the command.",
          {}};
}

}  // namespace

Result<CommandProcess> CommandProcess::Spawn(const std::vector<std::string>& command,
                                             const std::map<std::string, std::string>& environment,
                                             const Watcher& watcher, Time kill_at) {
  Arguments arguments(command, environment);
  int failure[2];
  if (pipe2(failure, O_CLOEXEC) != 0) return tl::unexpected(CannotRun(command[0], errno));
  const bool foreground = InForeground();
  const pid_t guardian = getpid();
  const pid_t pid = fork();
  if (pid == 0) Become(arguments, watcher, kill_at, guardian, foreground, failure[1]);
  const int fork_error = errno;
  close(failure[1]);
  int reason = pid < 0 ? fork_error : 0;
  if (pid > 0) {
    setpgid(pid, pid);  // here too: whoever comes first
    while (read(failure[0], &reason, sizeof reason) < 0 && errno == EINTR) {
    }
  }
  close(failure[0]);
  if (reason == 0) return CommandProcess(pid);
  if (pid > 0) waitpid(pid, nullptr, 0);
  watcher.Release();
  return tl::unexpected(CannotRun(command[0], reason));
}

void CommandProcess::Signal(int number) const { kill(-pid_, number); }

std::optional<int> CommandProcess::Reap(const Watcher& watcher) {
  for (;;) {
    siginfo_t ended{};
    // WNOWAIT: until it is reaped, its number and its group's are nobody else's.
    if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == 0)
      return std::nullopt;
    if (ended.si_pid !=
        pid_) {  // an orphan of the command's, if we are the container's first process
      waitpid(ended.si_pid, nullptr, 0);
      continue;
    }
    Signal(SIGKILL);
    watcher.Release();
    waitpid(pid_, nullptr, 0);
    if (isatty(STDIN_FILENO) == 1 && tcgetpgrp(STDIN_FILENO) == pid_)
      tcsetpgrp(STDIN_FILENO, getpgrp());
    return ended.si_code == CLD_EXITED ? ended.si_status : 128 + ended.si_status;
  }
}

}  // namespace vigil::client
