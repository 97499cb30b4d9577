#include "app/container_commands.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <ctime>

#include "http/ask.h"

namespace vigil {
namespace {

constexpr Duration kPatience = std::chrono::seconds(5);
constexpr int kOk = 200;

// Whether one of the blocked signals came within this time.
bool SignalCame(const sigset_t& signals, Duration within) {
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(within);
  const timespec patience{whole.count(), (within - whole).count()};
  return sigtimedwait(&signals, nullptr, &patience) > 0;
}

}  // namespace

int CheckHealth(const std::string& http_address, bool ready) {
  const char* const wanted = ready ? "ready" : "live";
  const auto reply = Ask(http_address, ready ? "/readyz" : "/livez", kPatience);
  if (!reply) {
    fmt::print(stderr, "vigild: not known to be {}: {}\n  {}\n", wanted, reply.error().message,
               reply.error().hint);
    return 1;
  }
  if (reply->status != kOk) {
    fmt::print(stderr, "vigild: not {}: {} answers {}: {}", wanted, http_address, reply->status,
               reply->body);
    return 1;
  }
  fmt::print("{}\n", wanted);
  return 0;
}

int WaitBeforeStop(Duration delay) {
  sigset_t signals{};
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::puts("waiting; SIGTERM ends it early");
  std::fflush(stdout);
  // A process that was stopped and goes on has waited for nothing yet.
  const SystemClock clock;
  const Instant end = clock.Now() + delay;
  for (Duration left = delay; left > Duration::zero(); left = end - clock.Now()) {
    if (SignalCame(signals, left)) break;
  }
  return 0;
}

}  // namespace vigil
