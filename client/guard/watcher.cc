#include "guard/watcher.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace vigil::client {
namespace {

// What goes through the pipe. Small enough that a write is never torn (PIPE_BUF).
struct Order {
  pid_t group;
  std::int64_t kill_at_ns;
};

void ArmAt(int timer, std::int64_t at_ns) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  itimerspec spec{};
  spec.it_value.tv_sec = at_ns / kSecond;
  spec.it_value.tv_nsec = at_ns % kSecond;
  if (at_ns <= 0) spec.it_value.tv_nsec = 1;
  timerfd_settime(timer, TFD_TIMER_ABSTIME, &spec, nullptr);
}

void Kill(pid_t group) {
  if (group > 1) kill(-group, SIGKILL);
}

// Lets go of everything that was inherited but the pipe, and cannot be stopped by what is meant for
// the guardian.
void CutLoose(int pipe) {
  setsid();
  prctl(PR_SET_NAME, "vigil-watcher");
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP, SIGUSR1, SIGUSR2}) {
    signal(number, SIG_IGN);
  }
  const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(nothing, fd);
  const auto kept = static_cast<unsigned>(pipe);
  if (kept > 3) close_range(3, kept - 1, 0);
  close_range(kept + 1, ~0U, 0);
}

[[noreturn]] void Watch(int pipe) {
  CutLoose(pipe);
  const int timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
  Order order{};
  for (;;) {
    pollfd fds[] = {{pipe, POLLIN, 0}, {timer, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0) continue;
    // What the guardian last said comes before the deadline that it may have moved.
    if (fds[0].revents != 0) {
      const ssize_t size = read(pipe, &order, sizeof order);
      if (size < 0 && errno == EINTR) continue;
      if (size != sizeof order) {
        Kill(order.group);
        _exit(0);
      }
      ArmAt(timer, order.kill_at_ns);
    } else if (fds[1].revents != 0) {
      Kill(order.group);
      ArmAt(timer, INT64_MAX);
    }
  }
}

}  // namespace

Result<Watcher> Watcher::Fork() {
  int ends[2];
  const auto failed = [](const char* what) {
    return tl::unexpected(Error{Code::kInternal,
                                Reason::kNone,
                                std::string(what) + ": " + std::strerror(errno),
                                "Raise the limits of processes and open files.",
                                {}});
  };
  if (pipe2(ends, O_CLOEXEC) != 0) return failed("cannot make a pipe");
  const pid_t pid = fork();
  if (pid < 0) {
    close(ends[0]);
    close(ends[1]);
    return failed("cannot fork");
  }
  if (pid == 0) {
    close(ends[1]);
    Watch(ends[0]);
  }
  close(ends[0]);
  return Watcher(ends[1]);
}

Watcher::Watcher(Watcher&& other) noexcept : pipe_(std::exchange(other.pipe_, -1)) {}

Watcher::~Watcher() {
  if (pipe_ >= 0) close(pipe_);
}

bool Watcher::Guard(pid_t group, Time kill_at) const {
  const Order order{group, kill_at.time_since_epoch().count()};
  return write(pipe_, &order, sizeof order) >= 0 || errno != EPIPE;
}

Result<void> Watcher::Replace() {
  auto forked = Fork();
  if (!forked) return tl::unexpected(std::move(forked.error()));
  std::swap(pipe_, forked->pipe_);
  return {};
}

}  // namespace vigil::client
