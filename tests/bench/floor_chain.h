// The bare chains, a round at a time: what any design on Postgres pays.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "pg/private_cluster.h"
#include "support/process.h"

namespace vigil::bench {

// By what a peer notices a death: the end of its connection to the victim, or Postgres, which
// grants it the advisory lock that the victim's session held.
enum class FloorEvidence { kSocket, kLock };

// How long after the SIGKILL each hop of one round was over.
struct FloorRound {
  Duration noticed{};    // the peer has the evidence
  Duration committed{};  // the dead process's row and its event are committed
  Duration woken{};      // the claimer was notified
  Duration claimed{};    // the claim is committed
};

// Owns a database on the cluster, a peer and a claimer (floor.cc), both with a connection to it
// that stays warm, and in each round a victim of the same program. One thread at a time.
class FloorChain {
 public:
  // For at most this many rounds.
  static Result<std::unique_ptr<FloorChain>> Start(pg::PrivateCluster& postgres,
                                                   FloorEvidence evidence, int rounds);

  // Starts a victim, leaves it in peace for `peace`, kills it, and returns when its item is
  // claimed.
  Result<FloorRound> Run(Duration peace);

 private:
  explicit FloorChain(FloorEvidence evidence) : evidence_(evidence) {}

  Result<std::unique_ptr<Process>> Spawn(std::vector<std::string> arguments) const;

  const FloorEvidence evidence_;
  std::unique_ptr<Process> peer_;
  std::unique_ptr<Process> claimer_;
  std::string program_;
  std::string conninfo_;
  std::string port_;
  int round_ = 0;
};

}  // namespace vigil::bench
