#include "measuring_clocks.h"

#include <fmt/format.h>

#include <ctime>
#include <optional>

#include "measuring.h"
#include "statistics.h"
#include "support/process.h"

namespace vigil::bench {
namespace {

// A reading that was interrupted between the two clocks is wide.
constexpr int kReadings = 50;
// Readings of two clocks one after the other; whoever sets a clock sets it by more.
constexpr Duration kTolerance = std::chrono::microseconds(200);

Duration Read(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

Result<Duration> ProcessorTimeOf(pid_t process) {
  clockid_t clock{};
  if (clock_getcpuclockid(process, &clock) == 0) return Read(clock);
  return Fail(Unmeasurable("the process that is measured has ended"));
}

Duration WallClockAheadOfBoot() {
  std::optional<Duration> narrowest;
  Duration ahead{};
  for (int reading = 0; reading < kReadings; ++reading) {
    const Instant before = Now();
    const Duration wall = Read(CLOCK_REALTIME);
    const Duration width = Now() - before;
    if (narrowest && width >= *narrowest) continue;
    narrowest = width;
    ahead = wall - (before + width / 2).time_since_epoch();
  }
  return ahead;
}

Result<void> RequireWallClock(Duration ahead) {
  const Duration moved = WallClockAheadOfBoot() - ahead;
  if (std::chrono::abs(moved) <= kTolerance) return {};
  return Fail(Unmeasurable(
      fmt::format("somebody set the wall clock by {} ms, which the times of commits come from",
                  Milliseconds(moved))));
}

}  // namespace vigil::bench
