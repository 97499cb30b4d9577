// The clock of every lease and timeout in this library.
#pragma once

#include <chrono>

namespace vigil::client {

using Duration = std::chrono::nanoseconds;

// CLOCK_BOOTTIME: it never jumps, and it counts the time that the machine was suspended, so that a
// lease ends while its pod sleeps. Values of two machines, or of one machine before and after a
// reboot, cannot be compared.
//
// Thread safety: everything may be called from any thread.
struct BootClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock, duration>;
  static constexpr bool is_steady = true;

  static time_point now() noexcept;
};

using Time = BootClock::time_point;

}  // namespace vigil::client
