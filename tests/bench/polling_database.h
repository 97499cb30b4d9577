// The polling design that Vigil grew out of: its tables, and its pods (polling_pods.cc).
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "pg/private_cluster.h"
#include "support/process.h"

namespace vigil::bench {

// How often each of its pods looks at each of the others.
inline constexpr Duration kPollingInterval = std::chrono::seconds(5);

// Owns a database on the cluster; one at a time. Does not outlive the cluster.
class PollingDatabase {
 public:
  static Result<std::unique_ptr<PollingDatabase>> Create(pg::PrivateCluster& postgres);

  ~PollingDatabase();
  PollingDatabase(const PollingDatabase&) = delete;
  PollingDatabase& operator=(const PollingDatabase&) = delete;

  // A process of so many pods, NAMES-0 and so on. Each has a session, holds its lock and owns an
  // item when this returns.
  Result<std::unique_ptr<Process>> Run(const std::string& names, int pods) const;

 private:
  explicit PollingDatabase(pg::PrivateCluster& postgres) : postgres_(postgres) {}

  pg::PrivateCluster& postgres_;
};

}  // namespace vigil::bench
