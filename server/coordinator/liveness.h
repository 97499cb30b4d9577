// The liveness sessions of this coordinator: where the locks of its pods are held, and how far each
// lock can be trusted.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/loop.h"
#include "core/backoff.h"
#include "core/measures.h"
#include "core/timing.h"
#include "core/trust.h"
#include "store/database.h"

namespace vigil {

// One taking of a lock, after it was lost.
struct Taking {
  SessionNumber session;
  uint64_t number = 0;
};

// Keeps a fixed number of liveness sessions open, gives each new pod the emptiest one, pings them,
// and when one is lost opens it anew and takes its locks again.
//
// Runs on the loop's thread.
// Invariants:
//  1. Every number that Issue gave, and that was not released, is locked in exactly one session, or
//  being taken again.
//  2. A lock that was taken again extends no lease before Confirm: the suspicion that its absence
//  may have raised is cleared first.   (P9)
//  3. A lock's proof is as old as the sending of the last answered ping of the session that held
//  it.   (P7)
// It does not promise that a lock is held now: only the database knows.
class LivenessSessions {
 public:
  LivenessSessions(Database& database, Scheduler& scheduler, const Clock& clock, Timing timing,
                   int count, uint64_t seed, Measures& measures = Measures::Ignored());

  // Called with those whose locks were lost and taken again.
  void OnRetaken(std::function<void(std::vector<Taking>)> callback) {
    on_retaken_ = std::move(callback);
  }

  void Start();

  // A new session number, locked. Error DATABASE_UNAVAILABLE when no session is open, or the one
  // that was asked is lost or given up.
  void Issue(const Then<SessionNumber>& then);

  // Lets a lock go, in a moment. Idempotent.
  void Release(SessionNumber session);

  // Whether Issue gave this number, and it was not released.
  bool Knows(SessionNumber session) const { return locks_.contains(session); }

  // The suspicion that this taking ended is cleared: the lock counts again, unless it was lost once
  // more meanwhile.
  void Confirm(const Taking& taking);

  // The taking of a lock that is held again and not confirmed yet.
  std::optional<Taking> Unconfirmed(SessionNumber session) const;

  // Whether the lock was there within the trust window.
  bool Trusts(SessionNumber session, Instant now) const;

  // Whether any session has answered what was sent less than `age` ago, be it lost since or not.
  bool AnsweredWithin(Duration age, Instant now) const { return answered_.YoungerThan(age, now); }
  // When the last such question was sent.
  std::optional<Instant> answered() const { return answered_.proven(); }

  // When what was sent that each session last answered, be it lost since or not: the earliest.
  // Nothing until all have answered once.
  std::optional<Instant> LeastAnswered() const;

 private:
  struct Slot {
    Slot(Duration window, uint64_t seed);
    std::unique_ptr<LivenessSession> session;
    TrustWindow window;
    Backoff backoff;
    // Of all sessions that it had.
    std::optional<Instant> answered;
    size_t locks = 0;
    bool pinging = false;
    std::unique_ptr<Timer> timer;
    // Asked of the session and not answered yet: when it is given up, it answers none of them.
    std::map<uint64_t, Then<SessionNumber>> issues;
    // Released here, and not yet in the database.
    std::vector<LockKey> released;
    std::unique_ptr<Timer> release_timer;
  };
  struct Lock {
    Slot* slot = nullptr;
    bool held = false;
    bool confirmed = false;
    uint64_t taking = 0;
    // The last proof of an earlier session that held it.
    TrustWindow carried;
  };

  void OpenSlot(Slot& slot);
  void Answered(Slot& slot, Instant sent);
  void Lost(Slot& slot);
  void Retake(Slot& slot);
  void PingRegularly(Slot& slot);
  void ReleaseSoon(Slot& slot, SessionNumber session);
  Slot* Emptiest();

  Database& database_;
  Scheduler& scheduler_;
  const Clock& clock_;
  const Timing timing_;
  Measures& measures_;
  std::function<void(std::vector<Taking>)> on_retaken_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::unordered_map<SessionNumber, Lock> locks_;
  uint64_t issues_asked_ = 0;
  // By any session.
  TrustWindow answered_;
};

}  // namespace vigil
