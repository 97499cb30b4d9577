// How long a statement of the coordinators took, as Postgres itself measured it.
#pragma once

#include <ios>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "pg/private_cluster.h"

namespace vigil::bench {

// All statements are written to the log of Postgres while this lives, which costs some microseconds
// for each: nothing else is measured meanwhile. One thread at a time.
class StatementTimes {
 public:
  static Result<std::unique_ptr<StatementTimes>> Begin(const pg::PrivateCluster& postgres);

  ~StatementTimes();
  StatementTimes(const StatementTimes&) = delete;
  StatementTimes& operator=(const StatementTimes&) = delete;

  // Of those with this name since the beginning: the binding of its parameters, with the planning
  // if there was any, and the execution.
  std::vector<Duration> Of(const std::string& statement) const;

 private:
  explicit StatementTimes(const pg::PrivateCluster& postgres) : postgres_(postgres) {}

  const pg::PrivateCluster& postgres_;
  std::streamoff begin_ = 0;
};

}  // namespace vigil::bench
