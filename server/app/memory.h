// Memory that was needed once and is not any more.
#pragma once

#include <cstddef>

#include "base/clock.h"

namespace vigil {

// The allocator keeps what it has freed in between, which after a flood of calls may be hundreds of
// megabytes for ever. This gives it back to the system.
//
// One thread.
class SpareMemory {
 public:
  explicit SpareMemory(const Clock& clock) : clock_(clock) {}

  // Every ten seconds at most, and when it is worth it: the allocator holds its locks meanwhile.
  void GiveBack();

 private:
  const Clock& clock_;
  Instant looked_{};
  size_t kept_ = 0;  // what could not be given back the last time
};

}  // namespace vigil
