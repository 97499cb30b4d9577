// What a measurement asks Postgres itself.
#pragma once

#include <string>

#include "base/error.h"
#include "pg/connection.h"

namespace vigil::bench {

// What a statement without parameters reads, on a connection of its own.
Result<pg::Rows> Query(const std::string& conninfo, const pg::Statement& statement);

// Statements without results.
Result<void> RunScript(const std::string& conninfo, const std::string& script);

}  // namespace vigil::bench
