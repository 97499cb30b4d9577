#include "support/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace vigil {
namespace {

using std::chrono::milliseconds;

Failure CannotSpawn(const std::string& program, int reason, std::string hint) {
  return Fail(Error{.code = Code::kFailedPrecondition,
                    .message = "cannot run " + program + ": " + std::strerror(reason),
                    .hint = std::move(hint)});
}

int OpenHandle(pid_t process) { return static_cast<int>(syscall(SYS_pidfd_open, process, 0)); }

int Milliseconds(Duration duration) {
  const auto rest = std::chrono::ceil<milliseconds>(duration).count();
  return static_cast<int>(std::clamp<milliseconds::rep>(rest, 0, 3'600'000));
}

// What execvpe wants. Made before the fork, since the child may not allocate.
class Arguments {
 public:
  explicit Arguments(const Process::Options& options) {
    for (const std::string& word : options.command)
      argv_.push_back(const_cast<char*>(word.c_str()));
    argv_.push_back(nullptr);
    for (char** entry = environ; *entry != nullptr; ++entry) {
      const std::string_view text(*entry);
      if (!options.environment.contains(std::string(text.substr(0, text.find('='))))) {
        envp_.push_back(*entry);
      }
    }
    for (const auto& [name, value] : options.environment) {
      additions_.emplace_back(name).append("=").append(value);
    }
    for (std::string& addition : additions_) envp_.push_back(addition.data());
    envp_.push_back(nullptr);
  }

  char* const* argv() const { return argv_.data(); }
  char* const* envp() const { return envp_.data(); }

 private:
  std::vector<char*> argv_;
  std::vector<std::string> additions_;
  std::vector<char*> envp_;
};

// In the child: only calls that are safe after a fork from a process with threads.
[[noreturn]] void Become(const Arguments& arguments, pid_t parent, int out, int err, int failure) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(126);  // it died before the line above
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(nothing, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  execvpe(arguments.argv()[0], arguments.argv(), arguments.envp());
  const int reason = errno;
  [[maybe_unused]] const ssize_t size = write(failure, &reason, sizeof reason);
  _exit(127);
}

// The three pipes between us and a child: our ends, and the child's.
struct Pipes {
  std::array<int, 2> out{-1, -1};
  std::array<int, 2> err{-1, -1};
  std::array<int, 2> failure{-1, -1};

  bool Open() {
    return pipe2(out.data(), O_CLOEXEC) == 0 && pipe2(err.data(), O_CLOEXEC) == 0 &&
           pipe2(failure.data(), O_CLOEXEC) == 0;
  }
  void CloseOurs() { CloseSide(0); }
  void CloseTheirs() { CloseSide(1); }

 private:
  void CloseSide(size_t side) {
    for (auto* pipe : {&out, &err, &failure}) {
      if ((*pipe)[side] >= 0) close((*pipe)[side]);
      (*pipe)[side] = -1;
    }
  }
};

}  // namespace

Instant Now() { return SystemClock().Now(); }

Result<std::string> FindBuilt(const std::string& program) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto path = self.parent_path() / program;
  if (access(path.c_str(), X_OK) == 0) return path.string();
  return Fail(Error{.code = Code::kFailedPrecondition,
                    .message = "there is no program '" + program + "' beside this one",
                    .hint = "Build it first: ./dev build"});
}

bool AwaitGone(pid_t process, Duration within) {
  const int handle = OpenHandle(process);
  if (handle < 0) return errno == ESRCH;
  pollfd entry{handle, POLLIN, 0};
  const bool gone = poll(&entry, 1, Milliseconds(within)) == 1;
  close(handle);
  return gone;
}

Result<std::unique_ptr<Process>> Process::Spawn(Options options) {
  const std::string program = options.command.front();
  constexpr auto kLimits = "Raise the limits of processes and open files.";
  const Arguments arguments(options);
  Pipes pipes;
  pid_t pid = -1;
  const pid_t parent = getpid();
  if (pipes.Open()) pid = fork();
  if (pid == 0) Become(arguments, parent, pipes.out[1], pipes.err[1], pipes.failure[1]);
  int reason = pid < 0 ? errno : 0;
  pipes.CloseTheirs();
  if (pid < 0) {
    pipes.CloseOurs();
    return CannotSpawn(program, reason, kLimits);
  }
  while (read(pipes.failure[0], &reason, sizeof reason) < 0 && errno == EINTR) {
  }
  const int handle = reason == 0 ? OpenHandle(pid) : -1;
  if (reason == 0 && handle < 0) reason = errno;
  close(std::exchange(pipes.failure[0], -1));
  if (reason != 0) {
    pipes.CloseOurs();
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return CannotSpawn(program, reason, "Check its path and permissions.");
  }
  return std::unique_ptr<Process>(
      new Process(pid, handle, pipes.out[0], pipes.err[0], std::move(options.on_line)));
}

Process::Process(pid_t pid, int handle, int out, int err, std::function<void(const Line&)> on_line)
    : pid_(pid),
      handle_(handle),
      stop_(eventfd(0, EFD_CLOEXEC)),
      on_line_(std::move(on_line)),
      pipes_{{Stream::kErr, err, {}}, {Stream::kOut, out, {}}} {
  for (const Pipe& pipe : pipes_) fcntl(pipe.fd, F_SETFL, O_NONBLOCK);
  reader_ = std::thread([this] { Read(); });
}

Process::~Process() {
  Signal(SIGKILL);
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ended_; });
  }
  // Somebody who left the group may hold the pipes open for ever.
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t size = write(stop_, &one, sizeof one);
  reader_.join();
  for (const Pipe& pipe : pipes_) close(pipe.fd);
  close(handle_);
  close(stop_);
}

void Process::Signal(int number) {
  // Until it is reaped its number is nobody else's.
  std::lock_guard lock(mutex_);
  if (!reaped_) kill(pid_, number);
}

std::optional<int> Process::AwaitEnd(Duration within) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, within, [this] { return ended_; })) return std::nullopt;
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
}

bool Process::running() { return !AwaitEnd(Duration::zero()); }

std::optional<Process::Line> Process::AwaitLine(const Match& matches, Duration within,
                                                size_t from) {
  const Instant deadline = Now() + within;
  std::unique_lock lock(mutex_);
  for (size_t next = from;;) {
    for (; next < lines_.size(); ++next) {
      if (matches(lines_[next])) return lines_[next];
    }
    if (silent_ || Now() >= deadline) return std::nullopt;
    changed_.wait_for(lock, deadline - Now());
  }
}

std::vector<Process::Line> Process::Lines() const {
  std::lock_guard lock(mutex_);
  return lines_;
}

std::string Process::Transcript() const {
  std::string transcript;
  for (const Line& line : Lines()) transcript += line.text + "\n";
  return transcript;
}

// --- The reading thread

void Process::Read() {
  enum { kErrors, kOutput, kHandle, kStop };
  bool reaped = false;
  while (!reaped || pipes_[0].open || pipes_[1].open) {
    // A negative descriptor is not looked at.
    pollfd fds[] = {{pipes_[0].open ? pipes_[0].fd : -1, POLLIN, 0},
                    {pipes_[1].open ? pipes_[1].fd : -1, POLLIN, 0},
                    {reaped ? -1 : handle_, POLLIN, 0},
                    {stop_, POLLIN, 0}};
    if (poll(fds, 4, -1) < 0) continue;
    if (fds[kErrors].revents != 0) Drain(pipes_[0]);
    if (fds[kOutput].revents != 0) Drain(pipes_[1]);
    if (fds[kHandle].revents != 0) {
      reaped = true;
      Reap();
    }
    if (fds[kStop].revents != 0 && reaped) break;
  }
  for (Pipe& pipe : pipes_) {
    if (!pipe.partial.empty()) Add(pipe, std::move(pipe.partial));
  }
  std::lock_guard lock(mutex_);
  silent_ = true;
  changed_.notify_all();
}

void Process::Drain(Pipe& pipe) {
  char buffer[4096];
  for (;;) {
    const ssize_t size = read(pipe.fd, buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) {
      if (size == 0) pipe.open = false;
      return;
    }
    pipe.partial.append(buffer, static_cast<size_t>(size));
    size_t begin = 0;
    for (size_t end; (end = pipe.partial.find('\n', begin)) != std::string::npos; begin = end + 1) {
      Add(pipe, pipe.partial.substr(begin, end - begin));
    }
    pipe.partial.erase(0, begin);
  }
}

void Process::Add(Pipe& pipe, std::string text) {
  const Line line{pipe.stream, std::move(text), Now()};
  if (on_line_) on_line_(line);
  std::lock_guard lock(mutex_);
  lines_.push_back(line);
  changed_.notify_all();
}

void Process::Reap() {
  {
    std::lock_guard lock(mutex_);
    // Before it is reaped its group's number is nobody else's, too.
    kill(-pid_, SIGKILL);
    while (waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
    }
    reaped_ = true;
  }
  for (Pipe& pipe : pipes_) {
    if (pipe.open) Drain(pipe);
  }
  std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

}  // namespace vigil
