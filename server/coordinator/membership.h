// This coordinator's own place in the cluster: its number, lock and row.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/loop.h"
#include "core/backoff.h"
#include "core/timing.h"
#include "core/trust.h"
#include "store/database.h"
#include "store/lane.h"

namespace vigil {

// Joins the cluster (lock first, then the row), renews the row at the pace of the pings, and joins
// anew under a new number when others have given it up.
//
// Runs on the loop's thread.
// Invariants:
//  1. It is trusted only within the trust window of a committed renewal.   (P7)
//  2. It observes only while its own lock is held by its own backend, found healthy by a recent
//  ping.   (P10)
class Membership {
 public:
  struct Callbacks {
    // Sessions that others have taken from this coordinator.
    std::function<void(const std::vector<SessionNumber>&)> taken;
    // The row is not ALIVE any more: everything that is hosted must be let go.
    std::function<void()> given_up;
    // A commit that was sent then is acknowledged.
    std::function<void(Instant sent)> renewed;
  };

  Membership(Database& database, Lane& renewals, Scheduler& scheduler, const Clock& clock,
             Timing timing, std::string address, uint64_t seed, Callbacks callbacks);

  void Start();

  // Ends the row on purpose. `then` is called when it is done or failed.
  void Leave(std::function<void()> then);

  bool Trusted(Instant now) const { return row_ && window_.Holds(now); }
  // Whether a renewal that was sent less than `age` ago is committed.
  bool RenewedWithin(Duration age, Instant now) const {
    return row_ && window_.YoungerThan(age, now);
  }

  // When the last renewal that is committed was sent.
  std::optional<Instant> renewed() const { return row_ ? window_.proven() : std::nullopt; }

  // Nothing until the first row is committed.
  CoordinatorNumber number() const { return row_ ? number_ : CoordinatorNumber{}; }

  // Nothing while it may not judge.
  std::optional<Observer> observer(Instant now) const;

 private:
  void OpenOwnSession();
  void TakeOwnLock();
  void AddRow();
  void RenewRegularly();
  void PingRegularly();
  void DropOwnSession();
  void Reopen();
  void GiveUp();

  Database& database_;
  Lane& renewals_;
  Scheduler& scheduler_;
  const Clock& clock_;
  const Timing timing_;
  const std::string address_;
  const Callbacks callbacks_;

  std::unique_ptr<LivenessSession> own_session_;
  bool lock_held_ = false;
  bool taking_lock_ = false;
  bool pinging_ = false;
  TrustWindow own_ping_;
  Backoff backoff_;
  CoordinatorNumber number_;
  bool row_ = false;
  bool leaving_ = false;
  TrustWindow window_;
  std::vector<SessionNumber> handled_;
  std::unique_ptr<Timer> session_timer_;
  std::unique_ptr<Timer> renewal_timer_;
};

}  // namespace vigil
