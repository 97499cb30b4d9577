// How the clocks of the machine go beside each other.
#pragma once

#include <utility>

#include "vigil/boot_clock.h"

namespace vigil::client {

// The clocks at one moment.
struct ClockReadings {
  Time boot{};
  Duration monotonic{};
  Duration wall{};
};

ClockReadings ReadClocks() noexcept;

// Notices what no single clock tells. Nothing is decided by it: leases count on CLOCK_BOOTTIME
// alone, which the machine's sleep does not stop and which nobody can set. It is there to be told.
//
// Thread: one caller at a time.
class ClockWatch {
 public:
  struct Change {
    // CLOCK_BOOTTIME went on by so much more than CLOCK_MONOTONIC: the machine was suspended.
    Duration suspended{};
    // The wall clock was set forward by so much, or back when it is negative.
    Duration wall_jump{};
  };

  // Less is how clocks are disciplined, and read one after the other.
  static constexpr Duration kShortestSuspension = std::chrono::milliseconds(100);
  static constexpr Duration kShortestJump = std::chrono::seconds(1);

  explicit ClockWatch(ClockReadings first) : last_(first) {}

  // What has happened since the last look.
  Change Look(const ClockReadings& now) {
    const ClockReadings last = std::exchange(last_, now);
    const Duration boot = now.boot - last.boot;
    const Duration suspended = boot - (now.monotonic - last.monotonic);
    const Duration jump = now.wall - last.wall - boot;
    return {suspended >= kShortestSuspension ? suspended : Duration::zero(),
            std::chrono::abs(jump) >= kShortestJump ? jump : Duration::zero()};
  }

 private:
  ClockReadings last_;
};

}  // namespace vigil::client
