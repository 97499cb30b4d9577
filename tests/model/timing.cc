// Prints what the model of the lease chain takes from the server: the defaults, and what the server
// computes from them. One name and one number a line, durations in nanoseconds.
#include "core/timing.h"

#include <cstdio>

int main() {
  const vigil::Timing timing;
  const vigil::Duration lease = timing.default_lease;
  const auto print = [](const char* name, vigil::Duration duration) {
    std::printf("%s %lld\n", name, static_cast<long long>(duration.count()));
  };
  print("trust_window", timing.trust_window);
  print("lease", lease);
  print("ping_interval", timing.ping_interval);
  print("grace", vigil::GraceFor(vigil::Profile::kStrict, lease, timing));
  print("wait", vigil::Stretched(lease, timing));
  std::printf("clock_rate_permille %d\n", timing.clock_rate_permille);
  return 0;
}
