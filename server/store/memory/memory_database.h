// The state engine in memory: for tests and simulations, with faults on demand.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/loop.h"
#include "store/database.h"
#include "store/memory/engine.h"

namespace vigil {

struct MemoryOptions {
  // The only source of what looks random.
  uint64_t seed = 1;
};

// One coordinator's link to a simulated database. Several links may share an engine, as several
// coordinators share a database; each has its own scheduler and its own faults.
//
// The faults of the server (a session ended from outside, a restart) are the engine's. Any thread,
// unless the port says otherwise. Must not outlive its scheduler.
class MemoryDatabase final : public Database {
 public:
  explicit MemoryDatabase(Scheduler& scheduler, const MemoryOptions& options = {});
  MemoryDatabase(Scheduler& scheduler, std::shared_ptr<memory::Engine> engine);
  ~MemoryDatabase() override;

  std::unique_ptr<Store> OpenStore(Duration deadline) override;
  void OpenLivenessSession(Then<std::unique_ptr<LivenessSession>> then) override;
  std::unique_ptr<LogListener> Listen(WakeUp wake_up) override;

  const std::shared_ptr<memory::Engine>& engine() const { return engine_; }

  // While it is away every call fails with DATABASE_UNAVAILABLE, wake-ups are lost, and a liveness
  // session that is asked for anything is lost. Those that are not asked keep their locks.
  void SetAway(bool away) { engine_->SetAway(*link_, away); }

  // While it is deaf, wake-ups are lost.
  void SetDeaf(bool deaf) { engine_->SetDeaf(*link_, deaf); }

  // The next change that would succeed fails with OUTCOME_UNKNOWN, and has met this fate.
  void LoseNextAnswer(memory::LostAnswer fate) { engine_->LoseNextAnswer(*link_, fate); }

 private:
  Scheduler& scheduler_;
  std::shared_ptr<memory::Engine> engine_;
  std::shared_ptr<memory::Link> link_;
  // What was posted is void once this is gone.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace vigil
