// The only file of the client that reads a system clock.
#include "vigil/boot_clock.h"

#include <ctime>

namespace vigil::client {

BootClock::time_point BootClock::now() noexcept {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return time_point(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
}

}  // namespace vigil::client
