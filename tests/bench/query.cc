#include "query.h"

#include <utility>

#include "measuring.h"

namespace vigil::bench {

Result<pg::Rows> Query(const std::string& conninfo, const pg::Statement& statement) {
  const Instant deadline = Now() + kStartLimit;
  auto connection = pg::Connection::Open({.conninfo = conninfo}, deadline);
  if (!connection) return Fail(connection.error().error);
  auto rows = (*connection)->Execute({.steps = {{&statement, {}}}, .changes = false}, deadline);
  if (!rows) return Fail(rows.error().error);
  return std::move(rows->front());
}

Result<void> RunScript(const std::string& conninfo, const std::string& script) {
  const Instant deadline = Now() + kStartLimit;
  auto connection = pg::Connection::Open({.conninfo = conninfo}, deadline);
  if (!connection) return Fail(connection.error().error);
  auto done = (*connection)->ExecuteScript(script, deadline);
  if (!done) return Fail(done.error().error);
  return {};
}

}  // namespace vigil::bench
