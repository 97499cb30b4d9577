// A real pgbouncer, for tests that must not be fooled by one.
#pragma once

#include <memory>
#include <string>

#include "support/process.h"

namespace vigil {

// Owns the process and its directory; both go with the object.
class PgBouncer {
 public:
  // In front of one database, which `server` leads to. The mode is one of pgbouncer's own:
  // transaction, session or statement.
  static Result<std::unique_ptr<PgBouncer>> Start(const std::string& server,
                                                  const std::string& database,
                                                  const std::string& mode, int pool_size = 5);
  ~PgBouncer();
  PgBouncer(const PgBouncer&) = delete;
  PgBouncer& operator=(const PgBouncer&) = delete;

  // Through it, without a password.
  std::string Conninfo() const;

 private:
  PgBouncer() = default;

  std::string database_;
  std::string directory_;
  int port_ = 0;
  std::unique_ptr<Process> process_;
};

}  // namespace vigil
