// Work for many pods.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"

namespace vigil::bench {

// Every pod owns so many items when this returns. Some threads start them, each on a connection of
// its own and one item after the other.
Result<void> StartItems(const std::string& address, const std::string& ns,
                        const std::vector<uint64_t>& pods, int items, size_t threads = 8);

}  // namespace vigil::bench
