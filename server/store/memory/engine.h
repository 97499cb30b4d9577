// The simulated database: tables, advisory locks, sessions and wake-ups in one mutex-guarded world,
// and the port through which faults are put into it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "core/errors.h"
#include "store/database.h"
#include "store/memory/tables.h"
#include "store/memory/transaction.h"

namespace vigil::memory {

// What becomes of a commit whose answer is lost.
enum class LostAnswer { kCommitted, kNotCommitted };

// The way from one database object to the engine, with its own faults. The engine's mutex guards
// it.
struct Link {
  bool away = false;
  bool deaf = false;
  // What is asked is carried out, and its answer is lost.
  bool mute = false;
  std::optional<LostAnswer> lost_answer;
};

// Owns everything that a database would. Thread-safe: a transaction runs alone, from its first
// statement to its commit, and lets other threads go first, so that those that race meet. It has no
// thread, no clock and no randomness of its own, so the same calls in the same order give the same
// answers; its wall clock counts transactions.
//
// Numbers come from one counter for all kinds, so that no two of them are equal by chance; what was
// issued in a transaction that did not commit is not issued again.
class Engine {
 public:
  // Whether there are other threads that a transaction should let go first.
  enum class Threads { kOne, kMany };

  explicit Engine(uint64_t seed, Threads threads = Threads::kMany);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // --- Faults of the server. The holders of ended sessions are told later.

  // Ends a session; its locks vanish at once.
  void EndSession(Backend backend);

  // Ends every session and connection and changes the identity. The tables stay.
  void Restart();

  // Loses the events after `head`, as a failover to a standby does that never got them.
  void LoseEvents(const std::string& ns, Seq head);

  // --- Faults of a link.

  void SetAway(Link& link, bool away);
  void SetDeaf(Link& link, bool deaf);
  void LoseNextAnswer(Link& link, LostAnswer fate);

  // --- What only those see who look from outside.

  // From now on events and rows are stamped with what `wall_clock` says.
  void SetWallClock(std::function<WallMicros()> wall_clock);

  // Calls `look` with the tables and the server as they are now.
  template <typename Look>
  auto Inspect(Look look) {
    std::lock_guard lock(mutex_);
    return look(std::as_const(tables_), std::as_const(server_));
  }

  // --- Sessions. Each operation fails with DATABASE_UNAVAILABLE when the session has ended, or
  // ends it when its link is away.

  // `tell_lost` is called when a fault ends the session, on the thread of the fault.
  Result<Backend> OpenSession(std::shared_ptr<Link> link, std::function<void()> tell_lost);
  void CloseSession(Backend backend);
  Result<uint64_t> IssueLock(Backend backend, LockKind kind);
  Result<std::vector<LockKey>> TakeLocks(Backend backend, const std::vector<LockKey>& keys);
  Result<void> ReleaseLocks(Backend backend, const std::vector<LockKey>& keys);
  Result<void> Ping(Backend backend);

  // --- Wake-ups. `wake_up` must only post.

  uint64_t AddListener(std::shared_ptr<Link> link, WakeUp wake_up);
  void RemoveListener(uint64_t listener);

  // --- Transactions. A body that fails has changed nothing.

  template <typename T>
  Result<T> Read(Link& link, const std::function<Result<T>(Transaction&)>& body);
  template <typename T>
  Result<T> Change(Link& link, const std::function<Result<T>(Transaction&)>& body);

 private:
  struct Session {
    std::shared_ptr<Link> link;
    std::function<void()> tell_lost;
  };
  struct Listener {
    std::shared_ptr<Link> link;
    WakeUp wake_up;
  };

  // All of these: with the mutex held.
  Transaction Begin();
  Result<void> Reach(const Link& link) const;
  Result<void> Reach(Backend backend);
  void Free(Backend backend);
  void WakeListeners(const std::optional<LogHead>& head);

  const Threads threads_;
  std::mutex mutex_;
  Server server_;
  Tables tables_;
  uint64_t server_starts_ = 1;
  std::map<Backend, Session> sessions_;
  std::map<uint64_t, Listener> listeners_;
};

template <typename T>
Result<T> Engine::Read(Link& link, const std::function<Result<T>(Transaction&)>& body) {
  if (threads_ == Threads::kMany) std::this_thread::yield();
  std::lock_guard lock(mutex_);
  if (auto reached = Reach(link); !reached) return Fail(reached.error());
  if (link.mute) return Fail(DatabaseUnavailable("no answer came in time"));
  Transaction transaction = Begin();
  return body(transaction);
}

template <typename T>
Result<T> Engine::Change(Link& link, const std::function<Result<T>(Transaction&)>& body) {
  if (threads_ == Threads::kMany) std::this_thread::yield();
  std::lock_guard lock(mutex_);
  if (auto reached = Reach(link); !reached) return Fail(reached.error());
  std::optional<Tables> before;
  if (link.lost_answer == LostAnswer::kNotCommitted) before = tables_;

  Transaction transaction = Begin();
  Result<T> result = body(transaction);
  if (!result) return result;
  auto lost_answer = std::exchange(link.lost_answer, std::nullopt);
  if (before) {
    tables_ = std::move(*before);
  } else {
    // The wake-up follows the answer, so it is lost with it.
    const std::vector<LogHead> heads = transaction.Commit();
    for (const LogHead& head : heads) {
      if (!lost_answer) WakeListeners(head);
    }
  }
  if (lost_answer || link.mute) {
    return Fail(OutcomeUnknown("the connection broke during the commit"));
  }
  return result;
}

}  // namespace vigil::memory
