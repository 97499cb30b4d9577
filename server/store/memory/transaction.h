// One transaction of the simulated database, as the store's methods see it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "core/types.h"
#include "store/database.h"
#include "store/memory/tables.h"

namespace vigil::memory {

// What is outside of transactions: numbers, locks and the identity.
struct Server {
  struct Lock {
    Backend holder;
    // A session that takes its own lock again holds it twice.
    uint32_t count = 0;
  };

  DatabaseIdentity identity;
  uint64_t last_number = 0;
  uint64_t transactions = 0;
  // Of the marks.
  std::mt19937_64 random;
  // Without one, time is the number of transactions.
  std::function<WallMicros()> wall_clock;
  std::map<LockKey, Lock> locks;

  uint64_t NextNumber() { return ++last_number; }
};

// Lives while the engine's mutex is held, so what it reads does not change but by itself.
class Transaction {
 public:
  Transaction(Server& server, Tables& tables);

  Tables& tables() { return tables_; }
  const Server& server() const { return server_; }
  WallMicros now() const { return now_; }

  template <typename N>
  N Issue() {
    return N{server_.NextNumber()};
  }

  bool IsFree(LockKind kind, uint64_t number) const;

  // Succeeds if the coordinator's row is ALIVE, and otherwise fails with COORDINATOR_UNTRUSTED.
  Result<void> RequireAlive(CoordinatorNumber coordinator) const;

  // The same, and the observer's lock must be held by its own backend.   (P10)
  Result<void> RequireFit(const Observer& observer) const;

  // Null when there is none.
  NamespaceRow* FindNamespace(const std::string& ns);
  PodRow* FindPod(const std::string& ns, Incarnation incarnation);

  // Takes the next number of the namespace's log for an event about a pod, and returns it for what
  // else there is to say.
  Event& Append(EventKind kind, const Pod& pod, Cause cause = Cause::kNone);

  // What it has appended to a namespace's log, as it is when nothing is added.
  WrittenEvents Written(const std::string& ns);

  // Closes the log's transactions. Returns the heads of the logs that it has written.
  std::vector<LogHead> Commit();

 private:
  void Close(const std::string& ns, size_t first);

  Server& server_;
  Tables& tables_;
  WallMicros now_;
  // For each log that was written: where this transaction begins in it.
  std::map<std::string, size_t> first_events_;
};

}  // namespace vigil::memory
