// The promises, as seen from outside: after every step it looks at the whole database, at what each
// pod believes by its own clock, and at who did it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "history/validators.h"
#include "sim/plan.h"
#include "sim/simulated_coordinator.h"
#include "sim/simulated_pod.h"

namespace vigil::sim {

struct Violation {
  // "P7"
  std::string promise;
  std::string what;
  // After the beginning.
  Duration at{};
};

// What the checker may look at beside the database.
class Witness {
 public:
  virtual ~Witness() = default;
  // The pod of an incarnation, if its process could still work. Null otherwise.
  virtual const SimulatedPod* PodOf(Incarnation incarnation) const = 0;
  virtual const std::vector<std::shared_ptr<SimulatedPod>>& Pods() const = 0;
  // The one that was started last at each address.
  virtual const std::vector<std::shared_ptr<SimulatedCoordinator>>& Coordinators() const = 0;
  // When something last came between this pod and this coordinator, or stopped the pod.
  virtual Instant LastTrouble(const SimulatedPod& pod, const std::string& address) const = 0;
};

class Checker {
 public:
  Checker(const Plan& plan, VirtualTime& time, DatabaseServer& server, const Witness& witness);

  // After each step. Cheap when the database was not asked.
  void Look();

  void Saw(SessionNumber session, SessionMoment moment);
  // This pod, which no process is told of, found itself LOST.
  void Lost(const SimulatedPod& pod);
  // A pod asks for this.
  void Asked(const WorkRequest& request) { requests_.insert(request); }
  // A follower was told this, and everything up to `through`.   (P8)
  void Judge(const history::History& told, Seq through);
  // Somebody holds the token of this incarnation twice: what it believes proves nothing any more.
  void Exempt(Incarnation incarnation) { exempt_.insert(incarnation); }

  void Violate(const std::string& promise, const std::string& what);
  const std::optional<Violation>& violation() const { return violation_; }

  // When all has come to rest: `head` is what the log's head was a while ago.
  void LookAtRest(Seq head);
  Seq Head() const;

  // Told of every new event of the log; for those who want to see a run.
  std::function<void(const Event&)> on_event;

 private:
  using Tables = memory::Tables;
  using Server = memory::Server;

  struct Row {
    PodState state = PodState::kAlive;
    Cause cause = Cause::kNone;
    SessionNumber session;
    SuspicionNumber suspicion;
    Instant suspected_at{};
  };

  void LookAt(const Tables& tables, const Server& server);
  void LookAtLog(const memory::NamespaceRow& space);
  void LookAtPod(const memory::PodRow& row, const memory::NamespaceRow& space, const Tables& tables,
                 const Server& server);
  void LookAtEnd(const memory::PodRow& row, const memory::NamespaceRow& space);
  void LookAtDeath(const memory::PodRow& row, const Row& before, const memory::NamespaceRow& space,
                   const Tables& tables, const Server& server);
  void LookAtSuccession(const memory::PodRow& row, const memory::NamespaceRow& space);
  void LookAtGrant(SessionNumber session);
  void LookAtWhatItsHostHeard(const memory::PodRow& row);
  void LookAtStrongEvidence(const memory::PodRow& row, const Tables& tables);
  void LookAtWeakEvidence(const memory::PodRow& row, const Row& before, const Tables& tables,
                          const Server& server);
  void LookAtObserver(const Tables& tables, const Server& server, Duration grace);
  void LookAtBeliefs();
  void LookAtBelief(const SimulatedPod& pod, const PodLife& life);
  void LookAtStarved(const memory::PodRow& row);
  void LookAtWatchdog(const SimulatedPod& pod, const PodLife& life);
  void LookAtWork(const memory::NamespaceRow& space, const Server& server);
  void LookAtItem(const WorkItem& item, const memory::NamespaceRow& space, const Server& server);
  void LookAtNewOwner(const WorkItem& item, const WorkItem& before,
                      const memory::NamespaceRow& space, const Server& server);
  void LookAtPolicy(const WorkItem& item, const WorkItem& before, const memory::NamespaceRow& space,
                    const Server& server);
  void LookAtQuarantine(const WorkItem& item, const WorkItem& before,
                        const memory::NamespaceRow& space);
  void LookAtRest(const WorkItem& item, const memory::NamespaceRow& space, const Server& server);

  const Plan& plan_;
  VirtualTime& time_;
  DatabaseServer& server_;
  const Witness& witness_;
  const Instant beginning_;
  std::optional<Violation> violation_;
  uint64_t transactions_ = 0;
  history::Reference reference_;
  std::map<Incarnation, Row> rows_;
  std::map<SessionNumber, Instant> taken_;
  // When the host of a session heard the last heartbeat, and of the end of the stream.
  std::map<SessionNumber, Instant> heard_;
  std::map<SessionNumber, Instant> stream_ended_;
  std::map<std::string, WorkItem> work_;
  std::set<WorkRequest> requests_;
  std::map<Incarnation, int> ends_;
  std::set<Incarnation> exempt_;
  // Those whose watchdog starved, in a time in which nothing else was wrong.
  std::map<Incarnation, Instant> starved_;
  DatabaseIdentity identity_;
  Instant identity_since_{};
};

}  // namespace vigil::sim
