#include "pg/cluster_guardian.h"

#include <fcntl.h>
#include <grp.h>
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

void SetSignals(sighandler_t termination) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) signal(number, termination);
}

bool Become(const std::optional<Account>& account) {
  if (!account) return true;
  return setgroups(0, nullptr) == 0 && setgid(account->group) == 0 && setuid(account->user) == 0;
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
    Stop(SIGQUIT);
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
        Stop(SIGINT);
        return 0;
      default:
        Stop(SIGQUIT);
        return 0;
    }
  }

  void Launch() {
    const pid_t guard = getpid();
    postmaster_ = fork();
    if (postmaster_ != 0) return;
    SetSignals(SIG_DFL);
    if (!Become(plan_.account)) _exit(126);
    // Changing the user clears it, so this comes after.
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (getppid() != guard) _exit(126);
    close(owner_);
    execv(plan_.postmaster[0], plan_.postmaster);
    _exit(127);
  }

  void Stop(int signal_number) {
    if (postmaster_ <= 0) return;
    kill(postmaster_, signal_number);
    while (waitpid(postmaster_, nullptr, 0) < 0 && errno == EINTR) {
    }
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
               const std::string& log) {
  const std::vector<char*> argv = Argv(arguments);
  const pid_t child = fork();
  if (child < 0) return -1;
  if (child == 0) {
    SetSignals(SIG_DFL);
    Redirect(log.c_str());
    close_range(STDERR_FILENO + 1, ~0U, 0);
    if (chdir("/") != 0 || !Become(account)) _exit(126);
    execv(argv[0], argv.data());
    _exit(127);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Result<std::unique_ptr<PrivateCluster::Guardian>> PrivateCluster::Guardian::Start(
    const std::vector<std::string>& postmaster, const std::optional<Account>& account,
    const std::string& directory, const std::string& log) {
  const std::vector<char*> argv = Argv(postmaster);
  const Plan plan{argv.data(), account, directory.c_str(), log.c_str()};
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return Fail({.message = std::string("socketpair: ") + std::strerror(errno)});
  }
  const pid_t process = fork();
  if (process == 0) RunGuard(plan, ends[1]);
  close(ends[1]);
  if (process < 0) {
    close(ends[0]);
    return Fail({.message = std::string("fork: ") + std::strerror(errno)});
  }
  return std::unique_ptr<Guardian>(new Guardian(process, ends[0]));
}

PrivateCluster::Guardian::~Guardian() {
  close(socket_);
  while (waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

pid_t PrivateCluster::Guardian::Launch() { return Ask(kLaunch); }

bool PrivateCluster::Guardian::IsRunning() { return Ask(kIsRunning) == 1; }

void PrivateCluster::Guardian::Stop(Shutdown how) {
  Ask(how == Shutdown::kFast ? kStopFast : kStopImmediate);
}

int PrivateCluster::Guardian::Ask(char question) {
  if (send(socket_, &question, 1, MSG_NOSIGNAL) != 1) return -1;
  int answer = -1;
  ssize_t got = 0;
  do {
    got = recv(socket_, &answer, sizeof answer, MSG_WAITALL);
  } while (got < 0 && errno == EINTR);
  return got == sizeof answer ? answer : -1;
}

}  // namespace vigil::pg
