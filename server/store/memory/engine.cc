#include "store/memory/engine.h"

#include <string>
#include <utility>

namespace vigil::memory {
namespace {

DatabaseIdentity IdentityOf(uint64_t server_starts) {
  return "memory/" + std::to_string(server_starts);
}

}  // namespace

Engine::Engine(uint64_t seed, Threads threads) : threads_(threads) {
  server_.random.seed(seed);
  server_.identity = IdentityOf(server_starts_);
}

void Engine::EndSession(Backend backend) {
  std::function<void()> tell_lost;
  {
    std::lock_guard lock(mutex_);
    auto session = sessions_.find(backend);
    if (session == sessions_.end()) return;
    tell_lost = std::move(session->second.tell_lost);
    Free(backend);
  }
  tell_lost();
}

void Engine::Restart() {
  std::map<Backend, Session> ended;
  {
    std::lock_guard lock(mutex_);
    ended = std::exchange(sessions_, {});
    server_.locks.clear();
    server_.identity = IdentityOf(++server_starts_);
  }
  for (const auto& [backend, session] : ended) session.tell_lost();
  std::lock_guard lock(mutex_);
  WakeListeners(std::nullopt);
}

void Engine::LoseEvents(const std::string& ns, Seq head) {
  std::lock_guard lock(mutex_);
  auto& space = tables_.namespaces.at(ns);
  space.log.resize(head.value - space.forgotten);
}

void Engine::SetAway(Link& link, bool away) {
  std::lock_guard lock(mutex_);
  bool back = link.away && !away;
  link.away = away;
  if (back) WakeListeners(std::nullopt);
}

void Engine::SetDeaf(Link& link, bool deaf) {
  std::lock_guard lock(mutex_);
  link.deaf = deaf;
}

void Engine::LoseNextAnswer(Link& link, LostAnswer fate) {
  std::lock_guard lock(mutex_);
  link.lost_answer = fate;
}

void Engine::SetWallClock(std::function<WallMicros()> wall_clock) {
  std::lock_guard lock(mutex_);
  server_.wall_clock = std::move(wall_clock);
}

Result<Backend> Engine::OpenSession(std::shared_ptr<Link> link, std::function<void()> tell_lost) {
  std::lock_guard lock(mutex_);
  if (link->away) return Fail(DatabaseUnavailable("the database is away"));
  Backend backend{server_.NextNumber()};
  sessions_.emplace(backend, Session{std::move(link), std::move(tell_lost)});
  return backend;
}

void Engine::CloseSession(Backend backend) {
  std::lock_guard lock(mutex_);
  Free(backend);
}

Result<uint64_t> Engine::IssueLock(Backend backend, LockKind kind) {
  std::lock_guard lock(mutex_);
  if (auto reached = Reach(backend); !reached) return Fail(reached.error());
  uint64_t number = server_.NextNumber();
  server_.locks[LockKey{kind, number}] = {backend, 1};
  return number;
}

Result<std::vector<LockKey>> Engine::TakeLocks(Backend backend, const std::vector<LockKey>& keys) {
  std::lock_guard lock(mutex_);
  if (auto reached = Reach(backend); !reached) return Fail(reached.error());
  std::vector<LockKey> taken;
  for (LockKey key : keys) {
    auto [held, free] = server_.locks.try_emplace(key, Server::Lock{backend, 0});
    if (held->second.holder != backend) continue;
    ++held->second.count;
    taken.push_back(key);
  }
  return taken;
}

Result<void> Engine::ReleaseLocks(Backend backend, const std::vector<LockKey>& keys) {
  std::lock_guard lock(mutex_);
  if (auto reached = Reach(backend); !reached) return reached;
  for (LockKey key : keys) {
    auto held = server_.locks.find(key);
    if (held == server_.locks.end() || held->second.holder != backend) continue;
    if (--held->second.count == 0) server_.locks.erase(held);
  }
  return {};
}

Result<void> Engine::Ping(Backend backend) {
  std::lock_guard lock(mutex_);
  return Reach(backend);
}

uint64_t Engine::AddListener(std::shared_ptr<Link> link, WakeUp wake_up) {
  std::lock_guard lock(mutex_);
  uint64_t listener = server_.NextNumber();
  listeners_.emplace(listener, Listener{std::move(link), std::move(wake_up)});
  return listener;
}

void Engine::RemoveListener(uint64_t listener) {
  std::lock_guard lock(mutex_);
  listeners_.erase(listener);
}

Transaction Engine::Begin() { return Transaction(server_, tables_); }

// As from a real connection: one that a restart broke while nothing was asked is opened anew.
Result<void> Engine::Reach(const Link& link) const {
  if (link.away) return Fail(DatabaseUnavailable("the database is away"));
  return {};
}

Result<void> Engine::Reach(Backend backend) {
  auto session = sessions_.find(backend);
  if (session == sessions_.end()) return Fail(DatabaseUnavailable("the session has ended"));
  if (session->second.link->away) {
    Free(backend);
    return Fail(DatabaseUnavailable("the database is away"));
  }
  return {};
}

void Engine::Free(Backend backend) {
  sessions_.erase(backend);
  std::erase_if(server_.locks, [&](const auto& lock) { return lock.second.holder == backend; });
}

void Engine::WakeListeners(const std::optional<LogHead>& head) {
  for (const auto& [number, listener] : listeners_) {
    if (!listener.link->away && !listener.link->deaf) listener.wake_up(head);
  }
}

}  // namespace vigil::memory
