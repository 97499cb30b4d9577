#include "pg/sqlstate.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <iterator>

namespace vigil::pg {
namespace {

constexpr std::string_view kTryAgain = "Nothing was changed: try again, with back-off.";
constexpr std::string_view kCredentials =
    "Correct the user, the password or pg_hba.conf; see the server's log.";
constexpr std::string_view kMigrations = "Apply the migrations of this version to the database.";
constexpr std::string_view kPooler =
    "Connect to Postgres itself, not through a pooler that shares sessions.";
constexpr std::string_view kDefect = "This is a defect: report it with the server's log.";

// Exact codes before classes; the last one is for what is not here.
constexpr SqlstateRule kRules[] = {
    // sqlstate, reason, keeps_connection, retry, hint
    {"40001", kDatabaseUnavailable, true, true, kTryAgain},  // serialization_failure
    {"40P01", kDatabaseUnavailable, true, true, kTryAgain},  // deadlock_detected
    {"0A000", kDatabaseUnavailable, false, true,
     kTryAgain},  // feature_not_supported: a cached plan whose table was altered
    {"26000", kDatabaseUnavailable, false, true,
     kPooler},  // invalid_sql_statement_name: not the session that prepared it
    {"42P05", kDatabaseUnavailable, false, true, kPooler},    // duplicate_prepared_statement
    {"55P03", kDatabaseUnavailable, true, false, kTryAgain},  // lock_not_available
    {"57014", kDatabaseUnavailable, true, false, kTryAgain},  // query_canceled: its timeout
    {"57", kDatabaseUnavailable, false, true, kTryAgain},     // the server goes or comes
    {"08", kDatabaseUnavailable, false, true, kTryAgain},     // connection_exception
    {"25006", kDatabaseUnavailable, false, true, kTryAgain},  // read_only_sql_transaction
    {"25P03", kDatabaseUnavailable, false, false,
     kTryAgain},  // idle_in_transaction_session_timeout
    {"28", kDatabaseUnavailable, false, false, kCredentials},
    {"3D000", kDatabaseUnavailable, false, false, "Create the database, or correct its name."},
    {"53100", kDatabaseUnavailable, true, false, "Give Postgres more disk."},
    {"53200", kLimitReached, true, false,
     "Raise max_locks_per_transaction, or the server's memory."},  // also: lock table full
    {"53", kDatabaseUnavailable, false, false,
     "Close other connections, or raise max_connections or the role's CONNECTION LIMIT."},
    {"3F000", kInternal, true, false, kMigrations},                      // invalid_schema_name
    {"42P01", kInternal, true, false, kMigrations},                      // undefined_table
    {"42703", kInternal, true, false, kMigrations},                      // undefined_column
    {"42501", kInternal, true, false, "Grant the role what it lacks."},  // insufficient_privilege
    {"58", kDatabaseUnavailable, false, false, kTryAgain},               // system_error
    {"XX", kInternal, false, false, "See the server's log."},            // internal_error
    {"", kInternal, false, false, kDefect},
};

Code CodeOf(std::string_view reason) {
  if (reason == kInternal) return Code::kInternal;
  if (reason == kLimitReached) return Code::kResourceExhausted;
  return Code::kUnavailable;
}

std::string Field(const pg_result* result, int field) {
  const char* text = PQresultErrorField(result, field);
  return text == nullptr ? std::string() : text;
}

}  // namespace

Error DatabaseUnavailable(std::string message) {
  return {Code::kUnavailable, kDatabaseUnavailable, std::move(message), std::string(kTryAgain), {}};
}

Error OutcomeUnknown(std::string message) {
  return {Code::kUnavailable,
          kOutcomeUnknown,
          std::move(message),
          "Send the same call again: it finds what it did.",
          {}};
}

const SqlstateRule& RuleOf(std::string_view sqlstate) {
  const auto* rule = std::find_if(std::begin(kRules), std::end(kRules), [&](const auto& candidate) {
    return sqlstate.starts_with(candidate.sqlstate);
  });
  return *rule;  // the last one matches all
}

bool CameFromPostgres(const pg_result* error) {
  return PQresultErrorField(error, PG_DIAG_SQLSTATE) != nullptr;
}

void KeepWarning(void* warning, const pg_result* result) {
  if (Field(result, PG_DIAG_SEVERITY_NONLOCALIZED) != "WARNING") return;
  const std::string text = Field(result, PG_DIAG_MESSAGE_PRIMARY);
  *static_cast<std::string*>(warning) = text.empty() ? "warning" : text;
}

Fault FaultOf(const pg_result* result) {
  const std::string sqlstate = Field(result, PG_DIAG_SQLSTATE);
  const SqlstateRule& rule = RuleOf(sqlstate);
  std::string message = Field(result, PG_DIAG_MESSAGE_PRIMARY);
  const std::string constraint = Field(result, PG_DIAG_CONSTRAINT_NAME);
  if (!constraint.empty()) message += fmt::format(" ({})", constraint);
  const bool fatal = Field(result, PG_DIAG_SEVERITY_NONLOCALIZED) != "ERROR";
  return {{CodeOf(rule.reason),
           rule.reason,
           fmt::format("Postgres refused: {} (SQLSTATE {})", message, sqlstate),
           std::string(rule.hint),
           {}},
          rule.retry,
          fatal || !rule.keeps_connection,
          sqlstate == "55P03"};
}

std::string OneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  std::replace(text.begin(), text.end(), '\t', ' ');
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

std::string ConnectionMessage(const pg_conn* connection) {
  const char* text = connection == nullptr ? nullptr : PQerrorMessage(connection);
  return text == nullptr || *text == '\0' ? "the connection was lost" : OneLine(text);
}

}  // namespace vigil::pg
