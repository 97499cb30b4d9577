// Finds the dead that no host speaks for: pods and coordinators whose locks are free.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/loop.h"
#include "coordinator/assigner.h"
#include "coordinator/membership.h"
#include "coordinator/standing.h"
#include "core/lock_table.h"
#include "core/mass_suspicion.h"
#include "core/measures.h"
#include "core/suspicion.h"
#include "core/timing.h"
#include "store/lane.h"

namespace vigil {

// One probe at a time. The coordinators take turns in trying the locks of all pods, once in each
// interval; every one of them looks at the suspicions that stand, and carries out the verdicts
// whose grace has passed. The turn is nobody's: who comes first when it is due has it, and a little
// later the next one would. So a coordinator that is lost with it costs no more than that.
//
// Runs on the loop's thread, its transactions in a lane of its own whose sessions hold no pod's
// lock. Invariants:
//  1. It judges nobody while the membership has no observer.   (P10)
//  2. A verdict rests on a suspicion that it read in every probe for the whole grace, and all that
//  time the database had the same identity.   (P1, P7, P9)
//  3. One of a mass of suspicions is held for one more grace, and alarmed.
class Prober {
 public:
  // `committed` is called after each transaction that wrote events. `lock_table` is told what each
  // probe read of it, and the assigner looks where pods have died.
  Prober(Lane& lane, Scheduler& scheduler, const Clock& clock, Timing timing, MassLimits mass,
         const Membership& membership, LockTableGuard& lock_table, Assigner& assigner,
         Measures& measures, uint64_t seed, std::function<void()> committed);

  void Start();

  // As the last probe saw it.
  const ClusterView& view() const { return view_; }

 private:
  // When the next turn is due.
  void ProbeSoon();
  void Probe();
  // The database has answered this observer.
  void Saw();
  void Judge(Observer observer, const ProbeReport& report);
  void Notice(const ProbeReport& report);
  // The suspicions that are due and not held, by namespace.
  std::map<std::string, std::vector<Suspicion>> Due(const ProbeReport& report);
  template <typename T, typename Verdict>
  void Carry(std::function<Result<T>(Store&)> work, Verdict told);

  Lane& lane_;
  Scheduler& scheduler_;
  const Clock& clock_;
  const Timing timing_;
  const Membership& membership_;
  LockTableGuard& lock_table_;
  Assigner& assigner_;
  Measures& measures_;
  const std::function<void()> committed_;
  std::mt19937_64 random_;
  // When this observer raised or first read each weak suspicion that stands. Decides nothing.
  std::unordered_map<SuspicionNumber, Instant> noticed_;
  ClusterView view_;
  // Of the last report.
  DatabaseIdentity identity_;
  SuspicionTracker<SuspicionNumber> pods_;
  MassHold<SuspicionNumber> mass_;
  SuspicionTracker<CoordinatorNumber> coordinators_;
  // When the next turn is due, as far as the last report told.
  Instant due_{};
  // The last turn that anybody took, and since when it has been that one for this observer. One
  // that stands for too long is not waited for: whoever is at the next may be frozen, and the
  // database's clock, by which it is due, be set back again and again.   (P2)
  WallMicros turn_;
  Instant turn_since_{};
  // Transactions of this round that are under way; the next round waits for them.
  int under_way_ = 0;
  std::unique_ptr<Timer> timer_;
};

}  // namespace vigil
