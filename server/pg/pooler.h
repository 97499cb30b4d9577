// Is there a pooler between this process and Postgres?
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "pg/connecting.h"

namespace vigil::pg {

// Asks two connections of its own whether each is a session of Postgres, for as long as it lasts:
//
//   transaction pooling   another backend serves the next transaction; what is set, and locked, for
//                         the session stays behind in the first, for whoever comes next
//   session pooling       the backend stays, but it is not the one that the connection was begun
//                         with: keepalives and the check interval then watch the pooler's side, not
//                         the process that holds the locks
//
// Error FAILED_PRECONDITION when there is one, which no waiting mends, with what was seen and what
// to do. DATABASE_UNAVAILABLE when the question could not be asked. Blocks, up to the deadline.
Result<void> RefusePooler(const ConnectOptions& options, Duration deadline);

}  // namespace vigil::pg
