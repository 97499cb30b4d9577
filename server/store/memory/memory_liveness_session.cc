#include "store/memory/memory_liveness_session.h"

#include <utility>

namespace vigil::memory {

Result<std::unique_ptr<LivenessSession>> MemoryLivenessSession::Open(
    Scheduler& scheduler, const std::shared_ptr<Engine>& engine, std::shared_ptr<Link> link) {
  auto session = std::make_unique<MemoryLivenessSession>(scheduler, engine);
  // Faults come from any thread, so all that may happen there is a post.
  auto tell_lost = [&scheduler, raw = session.get(), alive = std::weak_ptr<bool>(session->alive_)] {
    scheduler.Post([raw, alive] {
      if (!alive.expired()) raw->NoticeLoss();
    });
  };
  auto backend = engine->OpenSession(std::move(link), std::move(tell_lost));
  if (!backend) return Fail(backend.error());
  session->backend_ = *backend;
  return session;
}

MemoryLivenessSession::MemoryLivenessSession(Scheduler& scheduler, std::shared_ptr<Engine> engine)
    : scheduler_(scheduler), engine_(std::move(engine)) {}

MemoryLivenessSession::~MemoryLivenessSession() { engine_->CloseSession(backend_); }

void MemoryLivenessSession::IssueLock(LockKind kind, Then<uint64_t> then) {
  Ask<uint64_t>([this, kind] { return engine_->IssueLock(backend_, kind); }, std::move(then));
}

void MemoryLivenessSession::TakeLocks(std::vector<LockKey> keys, Then<std::vector<LockKey>> then) {
  Ask<std::vector<LockKey>>(
      [this, keys = std::move(keys)] { return engine_->TakeLocks(backend_, keys); },
      std::move(then));
}

void MemoryLivenessSession::ReleaseLocks(std::vector<LockKey> keys, Then<void> then) {
  Ask<void>([this, keys = std::move(keys)] { return engine_->ReleaseLocks(backend_, keys); },
            std::move(then));
}

void MemoryLivenessSession::Ping(Then<void> then) {
  Ask<void>([this] { return engine_->Ping(backend_); }, std::move(then));
}

void MemoryLivenessSession::OnLost(std::function<void(Error)> callback) {
  on_lost_ = std::move(callback);
  if (lost_) Post(&MemoryLivenessSession::TellLost);
}

template <typename T>
void MemoryLivenessSession::Ask(std::function<Result<T>()> act, Then<T> then) {
  waiting_.push_back({.carry_out = [act = std::move(act), then]() -> std::optional<Error> {
                        Result<T> answer = act();
                        if (!answer) return answer.error();
                        then(std::move(answer));
                        return std::nullopt;
                      },
                      .fail = [then](Error why) { then(Fail(std::move(why))); }});
  Post(&MemoryLivenessSession::CarryOutNext);
}

void MemoryLivenessSession::Post(void (MemoryLivenessSession::*step)()) {
  scheduler_.Post([this, step, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) (this->*step)();
  });
}

void MemoryLivenessSession::CarryOutNext() {
  if (waiting_.empty()) return;  // failed when the session was lost
  Operation next = std::move(waiting_.front());
  waiting_.pop_front();
  std::weak_ptr<bool> alive = alive_;
  auto why = next.carry_out();  // its callback may destroy this
  if (!why || alive.expired()) return;
  waiting_.push_front(std::move(next));
  Lose(*why);
}

void MemoryLivenessSession::Lose(const Error& why) {
  lost_ = why;
  std::weak_ptr<bool> alive = alive_;
  for (Operation& operation : std::exchange(waiting_, {})) {
    operation.fail(why);
    if (alive.expired()) return;
  }
  TellLost();
}

void MemoryLivenessSession::TellLost() {
  if (auto callback = std::exchange(on_lost_, nullptr)) callback(*lost_);
}

}  // namespace vigil::memory
