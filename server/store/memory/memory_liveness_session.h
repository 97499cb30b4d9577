// A liveness session with the simulated database.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/loop.h"
#include "store/database.h"
#include "store/memory/engine.h"

namespace vigil::memory {

// Carries an operation out when the scheduler comes to it, never inside the call.
class MemoryLivenessSession final : public LivenessSession {
 public:
  static Result<std::unique_ptr<LivenessSession>> Open(Scheduler& scheduler,
                                                       const std::shared_ptr<Engine>& engine,
                                                       std::shared_ptr<Link> link);
  MemoryLivenessSession(Scheduler& scheduler, std::shared_ptr<Engine> engine);
  ~MemoryLivenessSession() override;

  Backend backend() const override { return backend_; }
  void IssueLock(LockKind kind, Then<uint64_t> then) override;
  void TakeLocks(std::vector<LockKey> keys, Then<std::vector<LockKey>> then) override;
  void ReleaseLocks(std::vector<LockKey> keys, Then<void> then) override;
  void Ping(Then<void> then) override;
  void OnLost(std::function<void(Error)> callback) override;

 private:
  struct Operation {
    // Answers, unless the session is lost: then it returns why.
    std::function<std::optional<Error>()> carry_out;
    std::function<void(Error)> fail;
  };

  template <typename T>
  void Ask(std::function<Result<T>()> act, Then<T> then);
  void Post(void (MemoryLivenessSession::*step)());
  void CarryOutNext();
  void NoticeLoss() { Lose(DatabaseUnavailable("the session was ended")); }
  void Lose(const Error& why);
  void TellLost();

  Scheduler& scheduler_;
  std::shared_ptr<Engine> engine_;
  Backend backend_;
  std::deque<Operation> waiting_;
  std::optional<Error> lost_;
  std::function<void(Error)> on_lost_;
  // What was posted is void once this is gone.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace vigil::memory
