// A pod that asks without rest whether it lives, and says what the first answer after a pause was.
//
//   vigil_pausing_pod ADDRESS
//
// Lines: "registered"; "woke MS alive" after a pause of MS milliseconds that it survived; "lost",
// and it ends.
#include <cstdio>

#include "vigil/pod_session.h"

namespace vigil::client {
namespace {

// Longer than any that the scheduler makes.
constexpr auto kPause = std::chrono::milliseconds(300);

int Run(const char* address) {
  const auto client = Client::Create({.addresses = {address}});
  if (!client) return 1;
  PodSession session(*client, {.name = "pausing"});
  if (!session.AwaitRegistration()) return 1;
  std::puts("registered");
  Time last = BootClock::now();
  for (;;) {
    // The clock first: after a gap between two readings of it, the answer is from after the pause.
    const Time now = BootClock::now();
    const bool alive = session.alive_until().has_value();
    const auto gap = std::chrono::duration_cast<std::chrono::milliseconds>(now - last);
    if (!alive) break;
    if (gap >= kPause) std::printf("woke %d alive\n", static_cast<int>(gap.count()));
    last = now;
  }
  std::puts("lost");
  return 0;
}

}  // namespace
}  // namespace vigil::client

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  return argc == 2 ? vigil::client::Run(argv[1]) : 2;
}
