#include "store/memory/memory_database.h"

#include <utility>

#include "store/memory/memory_liveness_session.h"
#include "store/memory/memory_store.h"

namespace vigil {
namespace {

class MemoryLogListener final : public LogListener {
 public:
  MemoryLogListener(Scheduler& scheduler, std::shared_ptr<memory::Engine> engine,
                    std::shared_ptr<memory::Link> link, WakeUp wake_up)
      : engine_(std::move(engine)), wake_up_(std::make_shared<WakeUp>(std::move(wake_up))) {
    number_ = engine_->AddListener(
        std::move(link),
        [&scheduler, weak = std::weak_ptr<WakeUp>(wake_up_)](const std::optional<LogHead>& head) {
          scheduler.Post([weak, head] {
            if (auto callback = weak.lock()) (*callback)(head);
          });
        });
  }
  ~MemoryLogListener() override { engine_->RemoveListener(number_); }

 private:
  std::shared_ptr<memory::Engine> engine_;
  std::shared_ptr<WakeUp> wake_up_;
  uint64_t number_;
};

}  // namespace

MemoryDatabase::MemoryDatabase(Scheduler& scheduler, const MemoryOptions& options)
    : MemoryDatabase(scheduler, std::make_shared<memory::Engine>(options.seed)) {}

MemoryDatabase::MemoryDatabase(Scheduler& scheduler, std::shared_ptr<memory::Engine> engine)
    : scheduler_(scheduler), engine_(std::move(engine)), link_(std::make_shared<memory::Link>()) {}

MemoryDatabase::~MemoryDatabase() = default;

std::unique_ptr<Store> MemoryDatabase::OpenStore(Duration) {
  return std::make_unique<memory::MemoryStore>(engine_, link_);
}

void MemoryDatabase::OpenLivenessSession(Then<std::unique_ptr<LivenessSession>> then) {
  scheduler_.Post([this, alive = std::weak_ptr<bool>(alive_), then = std::move(then)] {
    if (!alive.expired()) then(memory::MemoryLivenessSession::Open(scheduler_, engine_, link_));
  });
}

std::unique_ptr<LogListener> MemoryDatabase::Listen(WakeUp wake_up) {
  return std::make_unique<MemoryLogListener>(scheduler_, engine_, link_, std::move(wake_up));
}

}  // namespace vigil
