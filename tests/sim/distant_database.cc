#include "sim/distant_database.h"

#include <algorithm>
#include <utility>

#include "sim/distant_session.h"
#include "store/memory/memory_store.h"

namespace vigil::sim {
namespace {

constexpr size_t kLongestQueue = 1024;
constexpr Duration kDeadline = std::chrono::seconds(5);
constexpr Duration kRefusal = std::chrono::milliseconds(1);

}  // namespace

Duration DatabaseLink::Delay() {
  using std::chrono::microseconds;
  using std::chrono::milliseconds;
  if (chance.OneIn(200)) return chance.Between(milliseconds(2), milliseconds(60));
  return chance.Between(microseconds(50), milliseconds(2));
}

// --- Sessions and wake-ups

std::unique_ptr<Store> DistantDatabase::OpenStore(Duration) {
  return std::make_unique<memory::MemoryStore>(link_.server.engine,
                                               std::make_shared<memory::Link>());
}

void DistantDatabase::OpenLivenessSession(Then<std::unique_ptr<LivenessSession>> then) {
  DatabaseLink link = link_;
  link.chance = link_.chance.For(++opened_);
  DistantSession::Open(std::move(link), then);
}

namespace {

class DistantListener final : public LogListener {
 public:
  DistantListener(const DatabaseLink& link, std::shared_ptr<WakeUp> wake_up)
      : engine_(link.server.engine), wake_up_(std::move(wake_up)) {
    auto shared = std::make_shared<DatabaseLink>(link);
    number_ = engine_->AddListener(
        std::make_shared<memory::Link>(),
        [shared, weak = std::weak_ptr<WakeUp>(wake_up_)](const std::optional<LogHead>& head) {
          const DatabaseRoute& route = *shared->route;
          if (route.deaf || route.answers_cut || route.former_primary) return;
          if (shared->chance.OneIn(20)) return;
          shared->machine.Arrive(shared->time.Now() + shared->Delay(), [weak, head] {
            if (const auto callback = weak.lock()) (*callback)(head);
          });
        });
  }
  ~DistantListener() override { engine_->RemoveListener(number_); }

 private:
  const std::shared_ptr<memory::Engine> engine_;
  const std::shared_ptr<WakeUp> wake_up_;
  uint64_t number_;
};

}  // namespace

std::unique_ptr<LogListener> DistantDatabase::Listen(WakeUp wake_up) {
  auto shared = std::make_shared<WakeUp>(std::move(wake_up));
  listening_ = shared;
  return std::make_unique<DistantListener>(link_, std::move(shared));
}

void DistantDatabase::Reconnected() {
  const auto later = link_.chance.Between(std::chrono::milliseconds(50), std::chrono::seconds(1));
  link_.machine.Arrive(link_.time.Now() + later, [weak = listening_] {
    if (const auto callback = weak.lock()) (*callback)(std::nullopt);
  });
}

// --- Transactions

DistantLane::DistantLane(DatabaseLink link, std::string name)
    : link_(std::move(link)),
      name_(std::move(name)),
      store_(std::make_unique<memory::MemoryStore>(link_.server.engine, fate_)) {}

bool DistantLane::Enqueue(std::function<void(Store&)> work) {
  if (queue_.size() >= kLongestQueue) return false;
  queue_.push_back(std::move(work));
  longest_queue_ = std::max(longest_queue_, queue_.size());
  if (!busy_) ServeNext();
  return true;
}

void DistantLane::ServeNext() {
  busy_ = !queue_.empty();
  if (!busy_) return;
  Work work = std::move(queue_.front());
  queue_.pop_front();
  if (link_.server.down) {
    FailAfter(kRefusal, work);
  } else if (link_.CannotAsk()) {
    FailAfter(kDeadline, work);
  } else {
    link_.time.After(link_.Delay(), [this, work = std::move(work)] { CarryOut(work); });
  }
}

// Runs as the database.
void DistantLane::CarryOut(const Work& work) {
  DatabaseRoute& route = *link_.route;
  if (link_.server.down || link_.CannotAsk()) {
    FailAfter(link_.server.down ? kRefusal : kDeadline, work);
    return;
  }
  if (route.own_session_ends_at_probe && name_ == "probe") {
    const auto own = link_.server.engine->Inspect([&](const auto&, const memory::Server& server) {
      for (const auto& [key, lock] : server.locks) {
        const auto client = link_.server.clients.find(lock.holder);
        if (key.kind != LockKind::kCoordinator || client == link_.server.clients.end()) continue;
        if (client->second == &link_.machine) return lock.holder;
      }
      return Backend{};
    });
    if (own) link_.server.engine->EndSession(own);
  }
  fate_->mute = route.answers_cut;
  if (name_ != "probe" && name_ != "log") {
    fate_->lost_answer = std::exchange(route.lose_next_answer, std::nullopt);
  }
  const bool late = route.answers_cut || fate_->lost_answer;
  const Duration answer = late ? kDeadline : link_.Delay();
  link_.time.ActFor(&link_.machine);
  link_.machine.AnswersTake(answer);
  work(*store_);
  link_.machine.AnswersTake(Duration::zero());
  fate_->lost_answer.reset();
  FreeAfter(answer);
}

void DistantLane::FailAfter(Duration delay, const Work& work) {
  fate_->away = true;
  link_.machine.AnswersTake(delay);
  work(*store_);
  link_.machine.AnswersTake(Duration::zero());
  fate_->away = false;
  FreeAfter(delay);
}

void DistantLane::FreeAfter(Duration delay) {
  link_.machine.Arrive(link_.time.Now() + delay, [this] { ServeNext(); });
}

}  // namespace vigil::sim
