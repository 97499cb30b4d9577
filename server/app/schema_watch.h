// Who may work with which schema: before a migration, and while a server runs.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "base/ticker.h"
#include "pg/connecting.h"
#include "pg/migrator.h"

namespace vigil {

// Refuses a migration that would leave a coordinator behind which runs: to be asked by pg::Migrate.
// Error FAILED_PRECONDITION: it names them. Blocks, up to `deadline`.
Result<void> RefuseOverOldServers(const std::string& conninfo, const pg::Migration& strictest,
                                  Duration deadline);

// Looks again and again whether the database still serves this server. Somebody may migrate it
// further than that, who did not ask.
//
// Owns a thread, and a connection for the moment of each look; when there is none to be had, it
// looks again later.
class SchemaWatch {
 public:
  // Tells, on its thread, what is wrong; nothing when that is over.
  using Tell = std::function<void(const std::optional<Error>&)>;

  // `where` with what is known of the server: what an old primary says is passed over.
  SchemaWatch(pg::ConnectOptions where, Duration deadline, Tell tell);

 private:
  void Look();

  const pg::ConnectOptions where_;
  const Duration deadline_;
  const Tell tell_;
  bool unfit_ = false;  // the ticker's thread
  Ticker ticker_;
};

}  // namespace vigil
