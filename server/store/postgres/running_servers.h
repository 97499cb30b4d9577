// The servers that work with a database, whatever version of its schema that has.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "core/types.h"

namespace vigil {

struct RunningServer {
  CoordinatorNumber number;
  std::string address;
  // Empty of one that does not tell.
  std::string version;
  // The last migration that it knows.
  uint32_t level = 0;
};

// A coordinator that has stopped without a farewell counts for so long.
inline constexpr Duration kForgottenAfter = std::chrono::seconds(30);

// The coordinators that have renewed their rows within kForgottenAfter, by the database's clock.
// None when there is no schema yet. Opens a connection of its own and ends within `deadline`.
// Blocks the caller.
Result<std::vector<RunningServer>> ReadRunningServers(const std::string& conninfo,
                                                      Duration deadline);

}  // namespace vigil
