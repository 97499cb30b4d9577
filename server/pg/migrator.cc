#include "pg/migrator.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <future>
#include <map>
#include <optional>

#include "base/check.h"
#include "pg/connection.h"

namespace vigil::pg {
namespace {

// Of one migration that ends in a deadlock.
constexpr int kAttempts = 5;

// Every writer of a table stands behind a migration that waits for it. Shorter than the default of
// deadlock_timeout, so that it is the migration that gives way, and far shorter than a trust
// window.
constexpr Duration kLockWait = std::chrono::milliseconds(800);
// For those who stood behind it.
constexpr Duration kRest = std::chrono::seconds(2);
constexpr Statement kPause{"rest", "SELECT pg_sleep_for($1)"};

// A role without pg_read_all_stats is not told what the sessions of others are and do.
constexpr Statement kBlockers{
    "blockers",
    "SELECT coalesce(string_agg(format('%s of %s (%s, %s)', pid, coalesce(usename, 'the server'),"
    "                                  coalesce(nullif(application_name, ''), 'unnamed'),"
    "                                  coalesce(state, 'state unknown')), ', ' ORDER BY pid), '')"
    "  FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids($1::bigint::integer))"};

constexpr Statement kHasTable{"has_migrations_table",
                              "SELECT to_regclass(format('%I.schema_migrations', $1)) IS NOT NULL"};

// Taken for the session, so that it covers all the transactions of a migration.
constexpr Statement kLock{"lock_migrations", "SELECT pg_advisory_lock($1)"};

constexpr std::string_view kCreateTable = R"(
CREATE SCHEMA IF NOT EXISTS {0};
CREATE TABLE IF NOT EXISTS {0}.schema_migrations (
  version    integer     NOT NULL,
  name       text        NOT NULL,
  checksum   text        NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  serves     integer,
  CONSTRAINT schema_migrations_pkey PRIMARY KEY (version)
))";

// Databases that were first migrated by an early version have not got the column.
constexpr Statement kHasServes{
    "has_serves",
    "SELECT EXISTS (SELECT FROM pg_attribute WHERE attname = 'serves' AND NOT attisdropped"
    "                  AND attrelid = to_regclass(format('%I.schema_migrations', $1)))"};
constexpr std::string_view kAddServes =
    "ALTER TABLE {0}.schema_migrations ADD COLUMN serves integer";

struct Applied {
  std::string name;
  std::string checksum;
  std::string applied_at;
  uint32_t serves = 0;
};
using AppliedByVersion = std::map<uint32_t, Applied>;

std::string Checksum(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  VIGIL_CHECK(EVP_Digest(text.data(), text.size(), digest, &length, EVP_sha256(), nullptr) == 1);
  std::string hex;
  for (unsigned int i = 0; i < length; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

uint32_t Serves(const Migration& migration) {
  return migration.serves == 0 ? migration.version : migration.serves;
}

Error SchemaError(std::string message, std::string hint) {
  return {Code::kFailedPrecondition, kInternal, std::move(message), std::move(hint), {}};
}

// Who holds what this session waits for, in the middle of a wait; empty when it waits for nobody,
// or when that cannot be known. Only another session can see it.
std::string LookForBlockers(const std::string& conninfo, int backend) {
  const Instant until = SystemClock().Now() + 2 * kLockWait;
  auto opened = Connection::Open({conninfo, "", SettingsForRequests(2 * kLockWait)}, until);
  if (!opened) return "";
  auto rows = (*opened)->Execute(
      {.steps = {{&kPause, {kLockWait / 4}}, {&kBlockers, {int64_t{backend}}}}, .changes = false},
      until);
  return rows ? rows->back()[0].Text() : "";
}

// One connection for one errand with the migrations.
class Errand {
 public:
  static Result<Errand> Open(ConnectOptions where, const Schema& schema, Duration deadline) {
    const Instant until = SystemClock().Now() + deadline;
    where.settings = SettingsForRequests(deadline);
    auto opened = Connection::Open(where, until);
    if (!opened) return Fail(std::move(opened.error().error));
    return Errand(std::move(*opened), std::move(where.conninfo), schema, until);
  }

  Result<Rows> Execute(const Statement& statement, Params params) {
    auto rows =
        connection_->Execute({.steps = {{&statement, std::move(params)}}, .changes = true}, until_);
    if (!rows) return Fail(std::move(rows.error().error));
    return std::move(rows->front());
  }

  Result<void> Script(const std::string& sql) {
    auto done = connection_->ExecuteScript(sql, until_);
    if (!done) return Fail(std::move(done.error().error));
    return {};
  }

  // Empty when nothing was ever applied.
  Result<AppliedByVersion> ReadApplied() {
    AppliedByVersion applied;
    auto has_table = Execute(kHasTable, {schema_.name});
    if (!has_table) return Fail(std::move(has_table.error()));
    if (!(*has_table)[0].Bool()) return applied;
    const std::string sql = fmt::format(
        "SELECT version, name, checksum,"
        "       to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),"
        "       coalesce((to_jsonb(migration) ->> 'serves')::bigint, version)"
        "  FROM {}.schema_migrations AS migration ORDER BY version",
        schema_.name);
    auto rows = Execute({"read_migrations", sql.c_str()}, {});
    if (!rows) return Fail(std::move(rows.error()));
    for (Row row : *rows) {
      const auto version = static_cast<uint32_t>(row.Bigint());
      Applied& entry = applied[version];
      entry.name = row.Text();
      entry.checksum = row.Text();
      entry.applied_at = row.Text();
      entry.serves = static_cast<uint32_t>(row.Bigint());
    }
    return applied;
  }

  Result<void> CreateTable() {
    if (auto created = Script(fmt::format(kCreateTable, schema_.name)); !created) return created;
    const auto has_serves = Execute(kHasServes, {schema_.name});
    if (!has_serves) return Fail(has_serves.error());
    if ((*has_serves)[0].Bool()) return {};
    const auto added = Begin(fmt::format(kAddServes, schema_.name));
    return added ? Script("COMMIT") : added;
  }

  // Waits for every other migration first.
  Result<void> LockOut() {
    if (auto locked = Execute(kLock, {kMigrationLock}); !locked)
      return Fail(std::move(locked.error()));
    return Script(fmt::format("SET lock_timeout = {}", kLockWait / std::chrono::milliseconds(1)));
  }

  // An error on the way leaves the transaction to the end of the connection, which undoes it.
  Result<void> Apply(const Migration& migration) {
    const std::string insert = fmt::format(
        "INSERT INTO {}.schema_migrations (version, name, checksum, serves)"
        " VALUES ($1::bigint, $2, $3, $4::bigint)",
        schema_.name);
    const auto in_context = [&](Error error) {
      error.message = fmt::format("migration {} ({}) failed: {}", migration.version, migration.name,
                                  error.message);
      return Fail(std::move(error));
    };
    if (auto done = Begin(std::string(migration.sql)); !done) {
      return in_context(std::move(done.error()));
    }
    auto noted =
        Execute({"note_migration", insert.c_str()},
                {migration.version, migration.name, Checksum(migration.sql), Serves(migration)});
    if (!noted) return in_context(std::move(noted.error()));
    return Script("COMMIT");
  }

 private:
  Errand(std::unique_ptr<Connection> connection, std::string conninfo, const Schema& schema,
         Instant until)
      : connection_(std::move(connection)),
        conninfo_(std::move(conninfo)),
        schema_(schema),
        until_(until) {}

  // Runs it in a transaction, which stays open. One that a deadlock with somebody who uses the
  // database has ended is begun again at once, and one that waited for a lock for too long later.
  Result<void> Begin(const std::string& sql) {
    std::string blockers;
    for (int deadlocks = 0;;) {
      if (auto begun = Script("BEGIN"); !begun) return begun;
      auto done = connection_->ExecuteScript(sql, until_);
      if (done) return {};
      Fault& fault = done.error();
      if (fault.lost || !(fault.retry || fault.blocked)) return Fail(std::move(fault.error));
      if (auto undone = Script("ROLLBACK"); !undone) return undone;
      if (!fault.blocked) {
        if (++deadlocks == kAttempts) return Fail(std::move(fault.error));
        continue;
      }
      if (watch_.valid()) {
        if (auto seen = watch_.get(); !seen.empty()) blockers = std::move(seen);
      }
      if (SystemClock().Now() + kRest + kLockWait > until_) return Fail(Blocked(blockers));
      auto rested = Execute(kPause, {kRest});
      if (!rested) return Fail(std::move(rested.error()));
      watch_ = std::async(std::launch::async, LookForBlockers, conninfo_, connection_->backend());
    }
  }

  static Error Blocked(const std::string& blockers) {
    Error error = DatabaseUnavailable(
        blockers.empty() ? "other sessions hold a lock that it needs"
                         : "these sessions hold a lock that it needs: " + blockers);
    error.hint =
        "Nothing of it was changed: end their transactions (a dump, a forgotten psql), if need be "
        "with SELECT pg_terminate_backend(PID), and migrate again.";
    return error;
  }

  std::unique_ptr<Connection> connection_;
  std::string conninfo_;
  const Schema& schema_;
  Instant until_;
  // Looks, beside an attempt after the first one, for whom it waits. Nobody waits for it while a
  // transaction is open.
  std::future<std::string> watch_;
};

std::vector<MigrationStatus> Compare(const Schema& schema, const AppliedByVersion& applied) {
  std::map<uint32_t, MigrationStatus> statuses;
  for (const Migration& migration : schema.migrations) {
    statuses[migration.version] = {migration.version, std::string(migration.name),
                                   MigrationState::kPending, Serves(migration), ""};
  }
  for (const auto& [version, entry] : applied) {
    const auto known = statuses.find(version);
    if (known == statuses.end()) {
      const bool newer = version > schema.Level() && entry.serves <= schema.Level();
      statuses[version] = {version, entry.name,
                           newer ? MigrationState::kNewer : MigrationState::kUnknown, entry.serves,
                           entry.applied_at};
      continue;
    }
    known->second.applied_at = entry.applied_at;
    known->second.state = MigrationState::kApplied;
  }
  for (const Migration& migration : schema.migrations) {
    const auto entry = applied.find(migration.version);
    if (entry != applied.end() && entry->second.checksum != Checksum(migration.sql)) {
      statuses[migration.version].state = MigrationState::kChanged;
    }
  }
  std::vector<MigrationStatus> ordered;
  for (auto& [version, status] : statuses) ordered.push_back(std::move(status));
  return ordered;
}

// What no migration can mend: the database is not ours, or is ahead of us.
std::optional<Error> FindConflict(const std::vector<MigrationStatus>& statuses) {
  bool pending = false;
  for (const MigrationStatus& status : statuses) {
    switch (status.state) {
      case MigrationState::kChanged:
        return SchemaError(fmt::format("migration {} ({}) was applied with another text",
                                       status.version, status.name),
                           "Use the version of this program that migrated the database; a "
                           "migration is never edited.");
      case MigrationState::kUnknown:
        return SchemaError(
            fmt::format("the database has migration {} ({}), which this program does not know: it "
                        "serves programs that know migration {} at least",
                        status.version, status.name, status.serves),
            "Upgrade this program: the database belongs to a newer version.");
      case MigrationState::kPending:
        pending = true;
        break;
      case MigrationState::kApplied:
      case MigrationState::kNewer:
        if (pending) {
          return SchemaError(
              fmt::format("migration {} ({}) was applied, but one before it was not",
                          status.version, status.name),
              "Restore schema_migrations: its rows are written by this program alone.");
        }
        break;
    }
  }
  return std::nullopt;
}

}  // namespace

Result<std::vector<uint32_t>> Migrate(const std::string& conninfo, const Schema& schema,
                                      Duration deadline, const Consent& consent) {
  auto errand = Errand::Open({.conninfo = conninfo}, schema, deadline);
  if (!errand) return Fail(std::move(errand.error()));
  if (auto locked = errand->LockOut(); !locked) return Fail(std::move(locked.error()));
  if (auto created = errand->CreateTable(); !created) return Fail(std::move(created.error()));
  auto applied = errand->ReadApplied();
  if (!applied) return Fail(std::move(applied.error()));
  if (auto conflict = FindConflict(Compare(schema, *applied))) return Fail(std::move(*conflict));

  std::vector<Migration> pending;
  for (const Migration& migration : schema.migrations) {
    if (!applied->contains(migration.version)) pending.push_back(migration);
  }
  if (consent && !pending.empty()) {
    Migration strictest = *std::ranges::max_element(pending, {}, Serves);
    strictest.serves = Serves(strictest);
    if (auto given = consent(strictest); !given) return Fail(std::move(given.error()));
  }

  std::vector<uint32_t> versions;
  for (const Migration& migration : pending) {
    if (auto done = errand->Apply(migration); !done) return Fail(std::move(done.error()));
    versions.push_back(migration.version);
  }
  return versions;
}

Result<std::vector<MigrationStatus>> ReadMigrationStatus(const ConnectOptions& where,
                                                         const Schema& schema, Duration deadline) {
  auto errand = Errand::Open(where, schema, deadline);
  if (!errand) return Fail(std::move(errand.error()));
  auto applied = errand->ReadApplied();
  if (!applied) return Fail(std::move(applied.error()));
  return Compare(schema, *applied);
}

Result<void> CheckSchema(const ConnectOptions& where, const Schema& schema, Duration deadline) {
  auto statuses = ReadMigrationStatus(where, schema, deadline);
  if (!statuses) return Fail(std::move(statuses.error()));
  if (auto conflict = FindConflict(*statuses)) return Fail(std::move(*conflict));
  for (const MigrationStatus& status : *statuses) {
    if (status.state != MigrationState::kPending) continue;
    return Fail(SchemaError(
        fmt::format("the database lacks migration {} ({})", status.version, status.name),
        fmt::format("Run `{}`.", schema.migrate_command)));
  }
  return {};
}

}  // namespace vigil::pg
