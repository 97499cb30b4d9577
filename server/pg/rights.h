// What the role of a running program may do in its schema: less than the role that migrates it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "pg/connection.h"
#include "pg/migrator.h"

namespace vigil::pg {

// Of one table, or one sequence, of the schema.
struct Right {
  enum class Kind { kTable, kSequence };
  Kind kind = Kind::kTable;
  std::string_view name;
  // Those that the program needs, such as "SELECT".
  std::vector<std::string_view> privileges;
};

struct Rights {
  std::string_view schema;
  // What an operator runs to grant them; named in errors, with the role behind it.
  std::string_view grant_command;
  std::vector<Right> rights;
};

// A privilege that a role lacks, on a table or sequence; of the schema itself when that is empty.
struct Lack {
  std::string privilege;
  std::string object;
};

// In SQL, whatever is in it.
std::string QuotedIdentifier(std::string_view name);

// Those of the rights that the role of this connection lacks, as far as their objects are there.
Result<std::vector<Lack>> ReadLacking(Connection& connection, const Rights& rights, Instant until);

// Each of these opens a connection of its own and ends within `deadline`. Blocks the caller.

// Gives the role these rights, and takes every other one in the schema from it, in one transaction.
// What is in force already stays as it is, so that it may be repeated, and under a running program.
// In a database that has a later migration than `schema` it takes nothing: the rights are those
// that a newer program needs. Error FAILED_PRECONDITION: there is no such role; or it owns the
// schema, so that nothing would be taken from it.
Result<void> GrantRights(const std::string& conninfo, const Rights& rights, const Schema& schema,
                         const std::string& role, Duration deadline);

// Whether the role of this connection has these rights, as far as their objects are there; the
// settings of `where` are its own. Error FAILED_PRECONDITION: it names those that it lacks.
Result<void> CheckRights(const ConnectOptions& where, const Rights& rights, Duration deadline);

}  // namespace vigil::pg
