// The claims as `pgbench` makes them: the statements of the server itself, without a server.
#pragma once

#include <map>
#include <string>

#include "claim_plan.h"
#include "pg/private_cluster.h"

namespace vigil::bench {

// What is written for pgbench comes from the batch that the store sends, so it is the same whatever
// the batch is made of. It is sent as the store sends it: prepared, in one pipeline that is one
// transaction, and the wake-up behind it; in sessions with the store's settings.
//
// One thread at a time.
class Pgbench {
 public:
  // Claims in this database. REQUIRES: the cluster outlives it.
  static Result<Pgbench> Prepare(const pg::PrivateCluster& postgres, const std::string& conninfo);

  // Returns when all claims are made, each client on a connection of its own.
  Result<void> Run(const ClaimPlan& plan) const;

 private:
  Pgbench() = default;

  std::string program_;
  std::string script_;
  std::map<std::string, std::string> environment_;
};

}  // namespace vigil::bench
