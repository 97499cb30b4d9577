#include "pg/cluster_guardian.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

namespace vigil::pg {
namespace {

constexpr char kLaunch = 'L';
constexpr char kIsRunning = 'R';
constexpr char kStopFast = 'F';
constexpr char kStopImmediate = 'I';

// How long a server may take to stop before it is killed. After SIGQUIT it gives its own processes
// 5 s; after SIGINT it writes a checkpoint.
constexpr std::chrono::seconds kImmediatePatience(10);
constexpr std::chrono::seconds kFastPatience(60);
constexpr int kPollMilliseconds = 5;

// A command line as exec wants it; its pointers live as long as the strings.
std::vector<char*> Argv(const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  return argv;
}

// --- From here to the line below: safe after a fork. No allocation, no lock.

void Redirect(const char* log) {
  const int null = open("/dev/null", O_RDONLY);
  const int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (null >= 0) dup2(null, STDIN_FILENO);
  if (out >= 0) {
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
  }
}

// In the child, all signals wait for SetSignals: one that came earlier would be taken as the parent
// takes it, and be lost when the parent ignores it.
pid_t Fork() {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t child = fork();
  if (child != 0) pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return child;
}

void SetSignals(sighandler_t termination) {
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) signal(number, termination);
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

// Puts this process at the head of a group that can be killed as a whole, and ties it to its
// parent: the signal comes when that ends.
bool Become(const std::optional<Account>& account, pid_t parent, int when_orphaned) {
  setpgid(0, 0);
  if (account &&
      (setgroups(0, nullptr) != 0 || setgid(account->group) != 0 || setuid(account->user) != 0)) {
    return false;
  }
  // Changing the user clears it, so this comes after.
  prctl(PR_SET_PDEATHSIG, when_orphaned);
  return getppid() == parent;
}

// Reaps the head of a group, which is killed when the head has not ended by then. Its status.
int Reap(pid_t child, Instant deadline) {
  int status = -1;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (SystemClock().Now() > deadline) kill(-child, SIGKILL);
    poll(nullptr, 0, kPollMilliseconds);
  }
  return status;
}

struct Plan {
  char* const* postmaster;
  const std::optional<Account>& account;
  const char* directory;
  const char* log;
};

class Guard {
 public:
  Guard(const Plan& plan, int owner) : plan_(plan), owner_(owner) {}

  [[noreturn]] void Run() {
    char question = 0;
    for (;;) {
      const ssize_t got = read(owner_, &question, 1);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      const int answer = Answer(question);
      if (send(owner_, &answer, sizeof answer, MSG_NOSIGNAL) < 0) break;
    }
    Stop(SIGQUIT, kImmediatePatience);
    execl("/bin/rm", "rm", "-rf", "--", plan_.directory, static_cast<char*>(nullptr));
    _exit(1);
  }

 private:
  int Answer(char question) {
    switch (question) {
      case kLaunch:
        Launch();
        return postmaster_;
      case kIsRunning:
        if (postmaster_ > 0 && waitpid(postmaster_, nullptr, WNOHANG) != 0) postmaster_ = -1;
        return postmaster_ > 0 ? 1 : 0;
      case kStopFast:
        Stop(SIGINT, kFastPatience);
        return 0;
      default:
        Stop(SIGQUIT, kImmediatePatience);
        return 0;
    }
  }

  void Launch() {
    const pid_t guard = getpid();
    postmaster_ = Fork();
    if (postmaster_ != 0) return;
    SetSignals(SIG_DFL);
    if (!Become(plan_.account, guard, SIGQUIT)) _exit(126);
    close(owner_);
    execv(plan_.postmaster[0], plan_.postmaster);
    _exit(127);
  }

  void Stop(int signal_number, Duration patience) {
    if (postmaster_ <= 0) return;
    kill(postmaster_, signal_number);
    Reap(postmaster_, SystemClock().Now() + patience);
    postmaster_ = -1;
  }

  const Plan& plan_;
  const int owner_;
  pid_t postmaster_ = -1;
};

[[noreturn]] void RunGuard(const Plan& plan, int owner) {
  setsid();
  SetSignals(SIG_IGN);
  prctl(PR_SET_NAME, "pg-guardian");
  Redirect(plan.log);
  if (chdir("/") != 0) _exit(126);
  // The owner's other files, and above all the other ends of its socket pairs, must not live on
  // here.
  constexpr int kOwner = 3;
  if (owner != kOwner) dup2(owner, kOwner);
  close_range(kOwner + 1, ~0U, 0);
  Guard(plan, kOwner).Run();
}

// --- The end of what is safe after a fork.

}  // namespace

int RunProgram(const std::vector<std::string>& arguments, const std::optional<Account>& account,
               const std::string& log, Instant deadline) {
  const std::vector<char*> argv = Argv(arguments);
  const pid_t parent = getpid();
  const pid_t child = Fork();
  if (child < 0) return -1;
  if (child == 0) {
    SetSignals(SIG_DFL);
    Redirect(log.c_str());
    close_range(STDERR_FILENO + 1, ~0U, 0);
    if (chdir("/") != 0 || !Become(account, parent, SIGKILL)) _exit(126);
    execv(argv[0], argv.data());
    _exit(127);
  }
  const int status = Reap(child, deadline);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Result<std::unique_ptr<ClusterGuardian>> ClusterGuardian::Start(
    const std::vector<std::string>& postmaster, const std::optional<Account>& account,
    const std::string& directory, const std::string& log) {
  const std::vector<char*> argv = Argv(postmaster);
  const Plan plan{argv.data(), account, directory.c_str(), log.c_str()};
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return Fail({.message = std::string("socketpair: ") + std::strerror(errno)});
  }
  const pid_t process = Fork();
  if (process == 0) RunGuard(plan, ends[1]);
  close(ends[1]);
  if (process < 0) {
    close(ends[0]);
    return Fail({.message = std::string("fork: ") + std::strerror(errno)});
  }
  return std::unique_ptr<ClusterGuardian>(new ClusterGuardian(process, ends[0]));
}

ClusterGuardian::~ClusterGuardian() {
  close(socket_);
  while (waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

pid_t ClusterGuardian::Launch() { return Ask(kLaunch); }

bool ClusterGuardian::IsRunning() { return Ask(kIsRunning) == 1; }

void ClusterGuardian::Stop(PrivateCluster::Shutdown how) {
  Ask(how == PrivateCluster::Shutdown::kFast ? kStopFast : kStopImmediate);
}

int ClusterGuardian::Ask(char question) {
  if (send(socket_, &question, 1, MSG_NOSIGNAL) != 1) return -1;
  int answer = -1;
  ssize_t got = 0;
  do {
    got = recv(socket_, &answer, sizeof answer, MSG_WAITALL);
  } while (got < 0 && errno == EINTR);
  return got == sizeof answer ? answer : -1;
}

}  // namespace vigil::pg
