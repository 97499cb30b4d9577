// For what no event tells.
#pragma once

#include <functional>

#include "base/clock.h"

namespace vigil {

// Asks again and again, with a rest of a few milliseconds, whether it holds. False when it did not
// within this time.
bool Eventually(Duration within, const std::function<bool()>& holds);

}  // namespace vigil
