// When a call must be over, as gRPC wants to be told.
#pragma once

#include <grpc/support/time.h>

#include "vigil/boot_clock.h"

namespace vigil::client {

inline gpr_timespec FromNow(Duration duration) {
  return gpr_time_from_millis(std::chrono::ceil<std::chrono::milliseconds>(duration).count(),
                              GPR_TIMESPAN);
}

}  // namespace vigil::client
