// The wall clock of this machine, for people to compare. Nothing is decided by it: it jumps.
#pragma once

#include <chrono>
#include <optional>

namespace vigil {

struct WallClockReading {
  std::chrono::microseconds since_epoch{};
  // As the kernel was told by whoever keeps the clock right.
  bool synchronised = false;
};

// Nothing where the system does not tell.
std::optional<WallClockReading> ReadWallClock();

}  // namespace vigil
