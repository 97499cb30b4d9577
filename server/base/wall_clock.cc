#include "base/wall_clock.h"

#include <sys/timex.h>

namespace vigil {

std::optional<WallClockReading> ReadWallClock() {
  using std::chrono::microseconds;
  timex reading{};  // which sets nothing
  if (adjtimex(&reading) < 0) return std::nullopt;
  const bool nanos = (reading.status & STA_NANO) != 0;
  const microseconds part(nanos ? reading.time.tv_usec / 1000 : reading.time.tv_usec);
  return WallClockReading{std::chrono::seconds(reading.time.tv_sec) + part,
                          (reading.status & STA_UNSYNC) == 0};
}

}  // namespace vigil
