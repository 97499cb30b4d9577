// Migrations: numbered SQL files, applied in order, once, under a lock.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "pg/connecting.h"

namespace vigil::pg {

// One file of migrations/, embedded in the binary. It is immutable: its checksum is kept in the
// database.
struct Migration {
  uint32_t version = 0;
  std::string_view name;
  std::string_view sql;
  // The oldest program that can work with the database after it, by the last migration that it
  // knows. It is kept in the database, for programs that do not know this migration. Nobody older
  // than itself when zero.
  uint32_t serves = 0;
};

// All migrations that a binary knows.
struct Schema {
  // The Postgres schema that holds everything, with the table schema_migrations.
  std::string_view name;
  // What an operator runs to apply them; named in errors.
  std::string_view migrate_command;
  // By version: 1, 2, 3...
  std::vector<Migration> migrations;

  // The last one: how far this program is.
  uint32_t Level() const { return migrations.empty() ? 0 : migrations.back().version; }
};

// "VM" and a random number: the advisory lock that every migration holds.
inline constexpr int64_t kMigrationLock = 6218512763478912000;

enum class MigrationState { kApplied, kPending, kChanged, kNewer, kUnknown };

struct MigrationStatus {
  uint32_t version = 0;
  std::string name;
  // kChanged: the database has another text of it. The database has it and this binary has not:
  // kNewer when it serves this binary, and kUnknown when it does not.
  MigrationState state = MigrationState::kPending;
  uint32_t serves = 0;
  // In UTC; empty when it is not applied.
  std::string applied_at;
};

// Each of these opens a connection of its own and ends within `deadline`. Blocks the caller.

// Applies what is pending, each migration in its own transaction, all under one advisory lock, so
// that several may start at once. One that a deadlock with somebody who uses the database has ended
// is begun again, four times at most. Returns the versions that it applied; none when the database
// is newer and serves this binary. Refuses a database that has a changed migration or a gap, or is
// too new.
//
// Whoever uses a table stands behind a migration that waits for it. So it waits for no lock longer
// than 0.8 s, gives up those that it has, lets them pass for 2 s and begins again, for as long as
// `deadline` allows. The error then names the sessions that it waited for.
//
// `consent` is asked under that lock before anything is applied, when there is something, and told
// the migration that serves the fewest. Its error is returned, and nothing was done.
using Consent = std::function<Result<void>(const Migration& strictest)>;
Result<std::vector<uint32_t>> Migrate(const std::string& conninfo, const Schema& schema,
                                      Duration deadline, const Consent& consent = nullptr);

// Every migration that the binary or the database knows, by version. Of `where` the settings are
// its own.
Result<std::vector<MigrationStatus>> ReadMigrationStatus(const ConnectOptions& where,
                                                         const Schema& schema, Duration deadline);

// Succeeds when the database has all of the binary's migrations, and no later one that does not
// serve it. Otherwise an Error that says what differs and which command mends it.
Result<void> CheckSchema(const ConnectOptions& where, const Schema& schema, Duration deadline);

}  // namespace vigil::pg
