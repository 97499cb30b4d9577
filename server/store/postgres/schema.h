// The migrations of migrations/, as they are embedded in this binary.
#pragma once

#include "pg/migrator.h"

namespace vigil {

const pg::Schema& PostgresSchema();

}  // namespace vigil
