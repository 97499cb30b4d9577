// What the statements of this directory need, and no more.
#pragma once

#include "pg/rights.h"

namespace vigil {

// A migration that adds a table or a sequence adds it here.
const pg::Rights& PostgresRights();

}  // namespace vigil
