// A liveness session over a network: what is asked travels, is carried out, and is answered, in
// order; what is not answered in time ends the session here, and silence ends it there.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "sim/distant_database.h"

namespace vigil::sim {

class DistantSession final : public LivenessSession {
 public:
  static void Open(DatabaseLink link, const Then<std::unique_ptr<LivenessSession>>& then);
  ~DistantSession() override;

  Backend backend() const override;
  void IssueLock(LockKind kind, Then<uint64_t> then) override;
  void TakeLocks(std::vector<LockKey> keys, Then<std::vector<LockKey>> then) override;
  void ReleaseLocks(std::vector<LockKey> keys, Then<void> then) override;
  void Ping(Then<void> then) override;
  void OnLost(std::function<void(Error)> callback) override;

 private:
  class Wire;

  explicit DistantSession(std::shared_ptr<Wire> wire) : wire_(std::move(wire)) {}

  const std::shared_ptr<Wire> wire_;
};

}  // namespace vigil::sim
