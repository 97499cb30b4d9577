// The only file of the client that reads a system clock.
#include "vigil/boot_clock.h"

#include <ctime>

#include "clock_watch.h"

namespace vigil::client {
namespace {

Duration Read(clockid_t clock) noexcept {
  timespec now{};
  clock_gettime(clock, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

}  // namespace

BootClock::time_point BootClock::now() noexcept { return time_point(Read(CLOCK_BOOTTIME)); }

// Whoever is interrupted between the readings tries again, or the clocks would seem to diverge.
ClockReadings ReadClocks() noexcept {
  ClockReadings readings;
  for (int i = 0; i < 5; ++i) {
    readings = {BootClock::now(), Read(CLOCK_MONOTONIC), Read(CLOCK_REALTIME)};
    if (BootClock::now() - readings.boot < std::chrono::milliseconds(1)) break;
  }
  return readings;
}

}  // namespace vigil::client
