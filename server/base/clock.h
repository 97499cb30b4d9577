// Time as everything in Vigil sees it: a reading of a clock that counts suspended time, and nothing
// else.
#pragma once

#include <chrono>

namespace vigil {

using Duration = std::chrono::nanoseconds;

// Tags the readings of a boot clock (CLOCK_BOOTTIME): it never jumps, and goes on while the machine
// is suspended. Readings of two machines cannot be compared, and no wall clock converts to one.
struct BootClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
};

using Instant = BootClock::time_point;

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant Now() const = 0;
};

// The machine's own boot clock. The only reader of a system clock in the server.
class SystemClock final : public Clock {
 public:
  Instant Now() const override;
};

}  // namespace vigil
