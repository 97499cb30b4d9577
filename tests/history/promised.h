// The bounds that proto/README.md promises, whatever the settings are.
#pragma once

#include "history/validators.h"

namespace vigil::history {

// A message has a page of the past with the rest of its last transaction, and one transaction has
// at most 128 deaths.
inline constexpr Bounds kPromised{
    .snapshot_pods = 500, .events = 512 + 127, .bytes = 3 << 19, .transaction_events = 128};

}  // namespace vigil::history
