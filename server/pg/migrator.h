// Migrations: numbered SQL files, applied in order, once, under a lock.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace vigil::pg {

// One file of migrations/, embedded in the binary. It is immutable: its checksum is kept in the
// database.
struct Migration {
  uint32_t version = 0;
  std::string_view name;
  std::string_view sql;
};

// All migrations that a binary knows.
struct Schema {
  // The Postgres schema that holds everything, with the table schema_migrations.
  std::string_view name;
  // What an operator runs to apply them; named in errors.
  std::string_view migrate_command;
  // By version: 1, 2, 3...
  std::vector<Migration> migrations;
};

enum class MigrationState { kApplied, kPending, kChanged, kUnknown };

struct MigrationStatus {
  uint32_t version = 0;
  std::string name;
  // kChanged: the database has another text of it. kUnknown: the database has it and this binary
  // has not.
  MigrationState state = MigrationState::kPending;
  // In UTC; empty when it is not applied.
  std::string applied_at;
};

// Each of these opens a connection of its own and ends within `deadline`. Blocks the caller.

// Applies what is pending, each migration in its own transaction, all under one advisory lock, so
// that several may start at once. One that a deadlock with somebody who uses the database has ended
// is begun again, four times at most. Returns the versions that it applied. Refuses a database that
// has a changed migration or a gap.
Result<std::vector<uint32_t>> Migrate(const std::string& conninfo, const Schema& schema,
                                      Duration deadline);

// Every migration that the binary or the database knows, by version.
Result<std::vector<MigrationStatus>> ReadMigrationStatus(const std::string& conninfo,
                                                         const Schema& schema, Duration deadline);

// Succeeds when the database has exactly the binary's migrations. Otherwise an Error that says what
// differs and which command mends it.
Result<void> CheckSchema(const std::string& conninfo, const Schema& schema, Duration deadline);

}  // namespace vigil::pg
