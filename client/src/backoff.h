// How long to wait before the next try: growing, bounded, and spread at random so that a thousand
// pods whose coordinator died do not come back in the same millisecond.
#pragma once

#include <functional>

#include "vigil/boot_clock.h"

namespace vigil::client {

// Uniform in [0, 1).
using Random = std::function<double()>;

// A generator seeded from the system's entropy; may be called from any thread.
Random SystemRandom();

// Doubles from `first` for every failure in a row up to `most`, of which a random half to whole is
// returned. `failures` may be any number: nothing overflows. REQUIRES: 0 < first <= most.
Duration Backoff(Duration first, Duration most, unsigned failures, const Random& random);

}  // namespace vigil::client
