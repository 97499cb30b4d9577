// What runs on the private Postgres, as contenders: Vigil, the bare chain, and the polling design.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "contender.h"
#include "pg/private_cluster.h"

namespace vigil::bench {

struct OwnContenders {
  pg::PrivateCluster& postgres;
  // Of a coordinator on it.
  std::string coordinator;
  // Rounds of Vigil and of the bare chain, and of the polling design.
  int samples = 0;
  int warm_up = 0;
  int slow_samples = 0;
};

// In this order. They do not outlive the cluster.
std::vector<std::unique_ptr<Contender>> MakeOwnContenders(const OwnContenders& own);

inline constexpr auto kVigilName = "vigil";
inline constexpr auto kBareChainName = "bare_chain";
inline constexpr auto kPollingName = "polling";

}  // namespace vigil::bench
