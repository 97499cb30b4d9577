// Who may work with which schema: before a migration, and while a server runs.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
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

  SchemaWatch(std::string conninfo, Duration deadline, Tell tell);
  ~SchemaWatch();
  SchemaWatch(const SchemaWatch&) = delete;
  SchemaWatch& operator=(const SchemaWatch&) = delete;

 private:
  void Watch();

  const std::string conninfo_;
  const Duration deadline_;
  const Tell tell_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace vigil
