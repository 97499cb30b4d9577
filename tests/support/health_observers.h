// Those who ask a coordinator for its health without rest, and keep every answer that differs from
// the one before.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"

namespace vigil {

// What was seen, from when on: "200", "503 database", "SERVING", "NOT_SERVING", or why nothing was.
struct HealthSeen {
  std::string what;
  Instant at;
};

// Each has a thread of its own. Thread safety: everything may be called from any thread.
class HealthObserver {
 public:
  // Asks over HTTP for this target ("/readyz"), a hundred times a second, each time on a connection
  // of its own; a 503 is told with the check that fails.
  static std::unique_ptr<HealthObserver> Probing(const std::string& address, std::string target);
  // Is told by gRPC's health service about this service of the coordinator.
  static std::unique_ptr<HealthObserver> Watching(const std::string& address,
                                                  const std::string& service);

  virtual ~HealthObserver() = default;
  HealthObserver() = default;
  HealthObserver(const HealthObserver&) = delete;
  HealthObserver& operator=(const HealthObserver&) = delete;

  virtual std::vector<HealthSeen> Seen() const = 0;
  // How many answers there were.
  virtual size_t answers() const = 0;

  // What was seen, without when and without the names of checks.
  std::vector<std::string> Course() const;
  // Waits until this is what was seen last. False when it is not within this time.
  bool Await(const std::string& what, Duration within) const;
};

}  // namespace vigil
