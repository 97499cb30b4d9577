// What the layers tell of themselves as it happens, in plain numbers: the port of the metrics.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/clock.h"
#include "core/types.h"

namespace vigil {

enum class SubscriptionEnd {
  kExpired,
  kLagged,
  kDraining,
  // By the subscriber.
  kClosed,
  // It has no right to go on.
  kRefused,
  // With another error.
  kFailed,
};

// Hears what is counted. This one ignores it all, for whoever is not measured.
//
// Any thread. Every method returns at once: it waits for nobody and allocates nothing, since a
// heartbeat and a verdict are on their way. It changes nothing but what it counts, and what happens
// next never depends on it.
class Measures {
 public:
  Measures() = default;
  virtual ~Measures() = default;
  Measures(const Measures&) = delete;
  Measures& operator=(const Measures&) = delete;

  static Measures& Ignored() {
    static Measures ignored;
    return ignored;
  }

  // --- Pods: of what this coordinator has committed.
  virtual void Suspected(Evidence /*evidence*/) {}
  // A suspicion that stood so long, whoever raised it, ended without a death.
  virtual void Refuted(Duration /*stood*/) {}
  // A suspicion that stood so long became a verdict.
  virtual void Confirmed(Duration /*stood*/) {}
  // So long after the first evidence, as far as this coordinator saw it.
  virtual void Died(Cause /*cause*/, Duration /*after_evidence*/) {}
  // What was left of the lease that a heartbeat renewed.
  virtual void Renewed(Duration /*margin*/) {}

  // --- The way to the database: how long an answer took.
  virtual void Probed(Duration /*took*/) {}
  virtual void Pinged(Duration /*took*/) {}

  // --- The event log.
  virtual void Served(size_t /*events*/) {}
  virtual void Ended(SubscriptionEnd /*end*/) {}

  // --- Callers.
  virtual void Claimed(ClaimOutcome /*outcome*/, size_t /*items*/) {}
  // A call of the rpc that has this name in the contract was answered, with gRPC's number of the
  // code.
  virtual void Answered(std::string_view /*rpc*/, int /*code*/) {}
  // How long a unary one took.
  virtual void Took(std::string_view /*rpc*/, Duration /*time*/) {}
};

}  // namespace vigil
