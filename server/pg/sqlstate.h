// What the errors of Postgres mean to us: one table.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

struct pg_conn;
struct pg_result;

namespace vigil::pg {

// The reasons of the Errors that this layer makes.
inline constexpr std::string_view kDatabaseUnavailable = "DATABASE_UNAVAILABLE";
inline constexpr std::string_view kOutcomeUnknown = "OUTCOME_UNKNOWN";
inline constexpr std::string_view kLimitReached = "LIMIT_REACHED";
inline constexpr std::string_view kInternal = "INTERNAL";

// Nothing was changed.
Error DatabaseUnavailable(std::string message);
// A commit was sent and not acknowledged.
Error OutcomeUnknown(std::string message);

struct SqlstateRule {
  // Five characters, or the two of a class.
  std::string_view sqlstate;
  std::string_view reason;
  // The connection may be used again.
  bool keeps_connection;
  // The same transaction may succeed when it is sent again at once.
  bool retry;
  std::string_view hint;
};

// The rule of a SQLSTATE: its own, its class's, or the last one, by which an error that we did not
// expect is a defect of ours.
const SqlstateRule& RuleOf(std::string_view sqlstate);

// Why an attempt failed, for whoever decides about the next one.
struct Fault {
  Error error;
  // Nothing was changed, and another attempt at once may succeed.
  bool retry = false;
  // The connection is lost or not to be trusted any more.
  bool lost = false;
  // Nothing was changed, since somebody held a lock for longer than lock_timeout.
  bool blocked = false;
};

// Whether the error is one that Postgres sent, and not libpq's own about a lost connection.
bool CameFromPostgres(const pg_result* error);

// Keeps the text of a WARNING in the std::string that `warning` points to: a notice receiver of
// libpq. Notices are for people, but a warning tells of a commit that is not what it seems.
void KeepWarning(void* warning, const pg_result* result);

// Of an error that Postgres sent.
Fault FaultOf(const pg_result* result);

// Without line breaks.
std::string OneLine(std::string text);

// What libpq says of the connection, in one line. Names hosts and users, never a password.
std::string ConnectionMessage(const pg_conn* connection);

}  // namespace vigil::pg
