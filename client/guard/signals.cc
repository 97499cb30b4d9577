#include "guard/signals.h"

#include <signal.h>
#include <sys/signalfd.h>

namespace vigil::client {
namespace {

constexpr int kSignals[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};

sigset_t SignalSet() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : kSignals) sigaddset(&set, number);
  return set;
}

}  // namespace

void BlockSignals() {
  const sigset_t set = SignalSet();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGTTOU, SIG_IGN);  // taking a terminal back from the command is done from the background
}

int OpenSignals() {
  const sigset_t set = SignalSet();
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

bool AsksToStop(int number, bool command_runs) {
  if (number == SIGTERM || number == SIGINT) return true;
  return !command_runs && (number == SIGHUP || number == SIGQUIT);
}

}  // namespace vigil::client
