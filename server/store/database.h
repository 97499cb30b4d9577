// The state engine as a whole: opens stores, liveness sessions and listeners.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "core/types.h"
#include "store/store.h"

namespace vigil {

template <typename T>
using Then = std::function<void(Result<T>)>;

enum class LockKind { kCoordinator, kSession };

// What an advisory lock is for. Its key in the database carries a tag of ours and is
// collision-free.
struct LockKey {
  LockKind kind = LockKind::kSession;
  uint64_t number = 0;
  auto operator<=>(const LockKey&) const = default;
};

// One session of the database that holds locks, for one life: once lost, it stays lost and its
// locks are gone.
//
// Runs on the scheduler's thread, and never blocks it. Every `then` is called exactly once, later,
// on that thread, with DATABASE_UNAVAILABLE when the session is lost or the operation's deadline
// passes (which also ends the session). Operations are carried out in the order of the calls.
// Destroying the object ends the session; nothing is called after that.
class LivenessSession {
 public:
  virtual ~LivenessSession() = default;

  virtual Backend backend() const = 0;

  // Issues a number that was never issued before and takes its lock, in one round trip.
  virtual void IssueLock(LockKind kind, Then<uint64_t> then) = 0;

  // Takes locks, in one statement; returns those that it got. One that somebody else holds (a
  // prober, for a moment) is not waited for. Keys that it holds already must not be asked for
  // (locks stack).
  virtual void TakeLocks(std::vector<LockKey> keys, Then<std::vector<LockKey>> then) = 0;

  // Lets locks go, in one statement.
  virtual void ReleaseLocks(std::vector<LockKey> keys, Then<void> then) = 0;

  // A success proves that the locks were held when the ping was answered.
  virtual void Ping(Then<void> then) = 0;

  // Called once, when the session is found to be lost while nobody waits for an operation or after
  // those that waited were told.
  virtual void OnLost(std::function<void(Error)> callback) = 0;
};

// The head that the log of a namespace had, or one that came later.
struct LogHead {
  std::string ns;
  Seq head;
};

// Hears the wake-ups of the log. Reconnects by itself; calls back on the log's thread after
// every wake-up, and without a head after every reconnection, since wake-ups may have been lost
// before it. Destroying it ends the calls.
class LogListener {
 public:
  virtual ~LogListener() = default;
};
using WakeUp = std::function<void(const std::optional<LogHead>&)>;

class Database {
 public:
  virtual ~Database() = default;

  // A store whose methods end within `deadline`. Any thread. Does not connect yet.
  virtual std::unique_ptr<Store> OpenStore(Duration deadline) = 0;

  // Scheduler's thread.
  virtual void OpenLivenessSession(Then<std::unique_ptr<LivenessSession>> then) = 0;

  // The log's thread.
  virtual std::unique_ptr<LogListener> Listen(WakeUp wake_up) = 0;

  // How many connections to the database are open. Any thread, without waiting for those that use
  // them.
  virtual size_t OpenConnections() const { return 0; }
};

}  // namespace vigil
