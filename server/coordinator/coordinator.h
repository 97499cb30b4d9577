// One coordinator: its parts, and what one part's news means for the others.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/loop.h"
#include "coordinator/assigner.h"
#include "coordinator/census.h"
#include "coordinator/commit_news.h"
#include "coordinator/commit_proof.h"
#include "coordinator/conversations.h"
#include "coordinator/event_log.h"
#include "coordinator/hosted_pods.h"
#include "coordinator/liveness.h"
#include "coordinator/membership.h"
#include "coordinator/prober.h"
#include "coordinator/pruner.h"
#include "coordinator/settings.h"
#include "coordinator/standing.h"
#include "coordinator/subscriptions.h"
#include "coordinator/verdicts.h"
#include "core/measures.h"
#include "store/database.h"
#include "store/lane.h"

namespace vigil {

// Each kind of transaction has a lane of its own, so that none starves another.
struct Lanes {
  // Registrations, resumes, farewells: what leases wait for.
  Lane& sessions;
  // The host's own evidence.
  Lane& verdicts;
  Lane& probe;
  // The one reader of the log.
  Lane& log;
  // Subscribers that read the past.
  Lane& replay;
  Lane& renewals;
  Lane& pruning;
  // What the coordinators themselves give to survivors.
  Lane& recovery;
};

// The environment outlives it. The event log and the subscriptions run on a thread of their own, so
// that no number of subscribers holds up a lease; everything else, and every method here, runs on
// the loop's. What one has for the other is posted.
class Coordinator {
 public:
  struct Environment {
    Database& database;
    Lanes lanes;
    Scheduler& scheduler;
    Scheduler& log_scheduler;
    const Clock& clock;
    // An unguessable string.
    std::function<std::string()> make_token;
    // Differs between coordinators, so that they fall out of step.
    uint64_t seed = 0;
    // Outlives the lanes, too.
    Measures& measures = Measures::Ignored();
  };

  // `address` is shown to people.
  Coordinator(const Environment& environment, const CoordinatorSettings& settings,
              const std::string& address);

  void Start();

  // Asks all pods to move and ends all subscriptions; then, when all have moved or after
  // `patience`, leaves the cluster and calls `done`.
  void Drain(Duration patience, std::function<void()> done);

  // Whether leases are granted. An outage of the database shows only when the trust window is over.
  bool Ready() const { return link_.Trusted(env_.clock.Now()); }

  // That, and what else the loop knows of its health.
  LinkHealth Health() const;

  CoordinatorStanding standing() const;

  Conversations& conversations() { return conversations_; }

  // On the log's thread.
  Subscriptions& subscriptions() { return subscriptions_; }
  EventLog& event_log() { return event_log_; }
  LogStanding log_standing() const;

 private:
  void WaitUntilMoved(Instant deadline, std::function<void()> done);

  const Environment env_;
  const CoordinatorSettings settings_;
  CommitProof commit_proof_;
  EventLog event_log_;
  const CommitNews news_;
  Assigner assigner_;
  LivenessSessions liveness_;
  Membership membership_;
  const OwnLink link_;
  LockTableGuard lock_table_;
  Verdicts verdicts_;
  HostedPods hosted_;
  Conversations conversations_;
  Subscriptions subscriptions_;
  Prober prober_;
  Pruner pruner_;
  Census census_;
  bool subscribers_told_ = false;
  std::unique_ptr<Timer> drain_timer_;
};

}  // namespace vigil
