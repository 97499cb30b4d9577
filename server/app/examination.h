// Looks at the database before the server relies on it.
#pragma once

#include "app/config.h"
#include "base/error.h"
#include "pg/connecting.h"
#include "pg/survey.h"

namespace vigil {

// Refuses a pooler and a server that cannot hold one coordinator, and logs in a line each what the
// database holds and how soon it lets go of a lost coordinator's locks. Opens a few connections of
// its own, as a liveness session is opened. Blocks, up to the database's deadline for each.
//
// Error FAILED_PRECONDITION: no waiting mends it. Any other: try again.
Result<void> ExamineDatabase(const Config& config, const pg::ConnectOptions& liveness);

// How many locks, of whomever, the table holds when the next new pod is refused.
int64_t NewPodsRefusedFrom(const pg::Capacity& capacity, const Config& config);

// Error FAILED_PRECONDITION: the connections do not suffice.
Result<void> CheckCapacity(const Config& config, const pg::Capacity& capacity);

}  // namespace vigil
