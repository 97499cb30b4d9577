// A liveness session on Postgres: a dedicated connection whose end releases its locks.
#pragma once

#include <memory>

#include "pg/async_connection.h"
#include "store/database.h"

namespace vigil {

class PostgresLivenessSession final : public LivenessSession {
 public:
  // Over an open connection.
  explicit PostgresLivenessSession(std::unique_ptr<pg::AsyncConnection> connection);

  Backend backend() const override;
  void IssueLock(LockKind kind, Then<uint64_t> then) override;
  void TakeLocks(std::vector<LockKey> keys, Then<std::vector<LockKey>> then) override;
  void ReleaseLocks(std::vector<LockKey> keys, Then<void> then) override;
  void Ping(Then<void> then) override;
  void OnLost(std::function<void(Error)> callback) override;

 private:
  std::unique_ptr<pg::AsyncConnection> connection_;
};

}  // namespace vigil
