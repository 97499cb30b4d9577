// What a claim sends to Postgres.
#pragma once

#include "pg/connection.h"
#include "store/records.h"

namespace vigil {

// One transaction, and the wake-up behind it. Also for measuring the very same beside the store.
pg::Batch ClaimBatch(const WorkClaim& claim);

}  // namespace vigil
