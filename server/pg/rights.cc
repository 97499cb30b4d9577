#include "pg/rights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace vigil::pg {
namespace {

// Whether the role is there, and whether it may do with the schema what its owner may.
constexpr Statement kRole{
    "role_to_grant_to",
    "SELECT rolname, pg_has_role(oid, (SELECT nspowner FROM pg_namespace WHERE nspname = $2),"
    " 'USAGE') FROM pg_roles WHERE rolname = $1"};

constexpr Statement kWho{"who_am_i", "SELECT current_user::text"};

Error Refused(std::string message, std::string hint) {
  return {Code::kFailedPrecondition, kInternal, std::move(message), std::move(hint), {}};
}

std::string_view KindOf(const Right& right) {
  return right.kind == Right::Kind::kTable ? "TABLE" : "SEQUENCE";
}

std::string Revocation(const Rights& rights, const std::string& role) {
  return fmt::format(
      "REVOKE ALL ON ALL TABLES IN SCHEMA {0} FROM {1};"
      "REVOKE ALL ON ALL SEQUENCES IN SCHEMA {0} FROM {1};"
      "REVOKE ALL ON SCHEMA {0} FROM {1};",
      QuotedIdentifier(rights.schema), QuotedIdentifier(role));
}

std::string Grant(const Rights& rights, const std::string& role) {
  const std::string schema = QuotedIdentifier(rights.schema);
  const std::string to = QuotedIdentifier(role);
  std::string script = fmt::format("GRANT USAGE ON SCHEMA {} TO {};", schema, to);
  for (const Right& right : rights.rights) {
    script += fmt::format("GRANT {} ON {} {}.{} TO {};", fmt::join(right.privileges, ", "),
                          KindOf(right), schema, QuotedIdentifier(right.name), to);
  }
  return script;
}

// A row for each right that is lacking: its privilege and its object, in the order of `rights`.
std::string Question(const Rights& rights) {
  std::string needed;
  int place = 0;
  for (const Right& right : rights.rights) {
    for (const std::string_view privilege : right.privileges) {
      needed += fmt::format("{}({}, '{}', '{}', '{}')", needed.empty() ? "" : ", ", ++place,
                            right.name, KindOf(right), privilege);
    }
  }
  return fmt::format(
      "SELECT privilege, name FROM ("
      " SELECT 0 AS place, 'USAGE' AS privilege, '' AS name FROM pg_namespace"
      "  WHERE nspname = '{0}' AND NOT has_schema_privilege(oid, 'USAGE')"
      " UNION ALL"
      " SELECT place, privilege, name"
      "  FROM (VALUES {1}) AS needed (place, name, kind, privilege)"
      "  JOIN pg_class AS object ON object.relname = name AND object.relnamespace ="
      "   (SELECT oid FROM pg_namespace WHERE nspname = '{0}')"
      "  WHERE NOT CASE kind WHEN 'TABLE' THEN has_table_privilege(object.oid, privilege)"
      "                      ELSE has_sequence_privilege(object.oid, privilege) END"
      ") AS lacking ORDER BY place",
      rights.schema, needed);
}

Result<std::unique_ptr<Connection>> Open(ConnectOptions where, Duration deadline, Instant until) {
  where.settings = SettingsForRequests(deadline);
  auto opened = Connection::Open(where, until);
  if (!opened) return Fail(std::move(opened.error().error));
  return std::move(*opened);
}

Result<Rows> Read(Connection& connection, const Statement& statement, Params params,
                  Instant until) {
  auto rows =
      connection.Execute({.steps = {{&statement, std::move(params)}}, .changes = false}, until);
  if (!rows) return Fail(std::move(rows.error().error));
  return std::move(rows->front());
}

Result<void> Run(Connection& connection, const std::string& script, Instant until) {
  auto done = connection.ExecuteScript(script, until);
  if (!done) return Fail(std::move(done.error().error));
  return {};
}

// Under the lock of the migrations, so that a newer program cannot migrate and grant what it needs
// between the look and the revocation. An error leaves the transaction to the end of the
// connection, which undoes it.
Result<void> Give(Connection& connection, const Rights& rights, const Schema& schema,
                  const std::string& role, Instant until) {
  const std::string begin = fmt::format("BEGIN; SELECT pg_advisory_xact_lock({})", kMigrationLock);
  if (auto begun = Run(connection, begin, until); !begun) return begun;
  const std::string sql = fmt::format(
      "SELECT EXISTS (SELECT FROM {}.schema_migrations WHERE version > $1::bigint)", rights.schema);
  auto newer = Read(connection, {"has_newer_migration", sql.c_str()}, {schema.Level()}, until);
  if (!newer) return Fail(std::move(newer.error()));
  const std::string revocation = (*newer)[0].Bool() ? "" : Revocation(rights, role);
  return Run(connection, revocation + Grant(rights, role) + "COMMIT", until);
}

}  // namespace

std::string QuotedIdentifier(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"') quoted += c;
    quoted += c;
  }
  return quoted + '"';
}

Result<std::vector<Lack>> ReadLacking(Connection& connection, const Rights& rights, Instant until) {
  const std::string question = Question(rights);
  auto answer = Read(connection, {"lacking_rights", question.c_str()}, {}, until);
  if (!answer) return Fail(std::move(answer.error()));
  std::vector<Lack> lacking;
  for (Row row : *answer) {
    std::string privilege = row.Text();
    lacking.push_back({std::move(privilege), row.Text()});
  }
  return lacking;
}

Result<void> GrantRights(const std::string& conninfo, const Rights& rights, const Schema& schema,
                         const std::string& role, Duration deadline) {
  const Instant until = SystemClock().Now() + deadline;
  const auto connection = Open({.conninfo = conninfo}, deadline, until);
  if (!connection) return Fail(connection.error());
  auto found = Read(**connection, kRole, {role, rights.schema}, until);
  if (!found) return Fail(std::move(found.error()));
  if (found->empty()) {
    return Fail(Refused(fmt::format("there is no role {}", QuotedIdentifier(role)),
                        fmt::format("Make it first: CREATE ROLE {} LOGIN PASSWORD '...';",
                                    QuotedIdentifier(role))));
  }
  Row row = (*found)[0];
  row.Text();
  if (row.Bool()) {
    return Fail(Refused(
        fmt::format("the role {} owns the schema {}, or may do what its owner may",
                    QuotedIdentifier(role), rights.schema),
        "Let one role own and migrate the schema, and another one, with fewer rights, use it."));
  }
  return Give(**connection, rights, schema, role, until);
}

Result<void> CheckRights(const ConnectOptions& where, const Rights& rights, Duration deadline) {
  const Instant until = SystemClock().Now() + deadline;
  const auto connection = Open(where, deadline, until);
  if (!connection) return Fail(connection.error());
  const auto lacking = ReadLacking(**connection, rights, until);
  if (!lacking) return Fail(lacking.error());
  if (lacking->empty()) return {};
  auto answer = Read(**connection, kWho, {}, until);
  if (!answer) return Fail(std::move(answer.error()));
  const std::string role = (*answer)[0].Text();
  std::string all;
  for (const auto& [privilege, object] : *lacking) {
    const std::string on = object.empty() ? fmt::format("schema {}", rights.schema)
                                          : fmt::format("{}.{}", rights.schema, object);
    all += fmt::format("{}{} on {}", all.empty() ? "" : ", ", privilege, on);
  }
  return Fail(
      Refused(fmt::format("the role {} lacks {}", QuotedIdentifier(role), all),
              fmt::format("Let the owner of the schema run `{} {}`.", rights.grant_command, role)));
}

}  // namespace vigil::pg
