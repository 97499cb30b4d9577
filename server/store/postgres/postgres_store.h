// The store port on Postgres: one method, one transaction, one flush.
//
// Each change goes out as one batch (pg/connection.h): a statement that locks rows in the order of
// store.h, then one that decides and changes, then the commit. All of it is on its way before
// Postgres has answered the first, so a process that is frozen in the middle holds no row and no
// key. The wake-up follows the answer.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "pg/link.h"
#include "store/store.h"

namespace vigil {

class PostgresStore final : public Store {
 public:
  PostgresStore(pg::ConnectOptions options, Duration deadline);

  void Connect() override;

  Result<void> AddCoordinator(CoordinatorNumber coordinator, const std::string& address,
                              Duration trust_window) override;
  Result<Renewal> RenewCoordinator(CoordinatorNumber coordinator,
                                   const std::vector<SessionNumber>& handled) override;
  Result<void> RemoveCoordinator(CoordinatorNumber coordinator) override;
  Result<std::vector<CoordinatorNumber>> GiveUpCoordinators(
      const Observer& observer, const std::vector<CoordinatorNumber>& coordinators) override;

  std::vector<Result<RegisterOutcome>> RegisterTogether(const std::vector<NewPod>& pods,
                                                        const TellRefuted& refuted) override;
  Result<std::optional<Registered>> Supersede(const NewPod& pod, Incarnation incumbent) override;
  std::vector<Result<Pod>> ResumeTogether(const std::vector<ResumePod>& pods,
                                          const TellRefuted& refuted) override;
  Result<void> Leave(const std::string& ns, HostedPod pod) override;
  Result<WrittenEvents> SuspectHosted(const std::string& ns, Cause cause,
                                      const std::vector<HostedPod>& pods,
                                      const Committed& committed) override;
  Result<WrittenEvents> DeclareHosted(const std::string& ns, Cause cause,
                                      const std::vector<HostedPod>& pods,
                                      const Committed& committed) override;
  Result<std::vector<HostedPod>> Refute(const std::string& ns, const std::vector<HostedPod>& pods,
                                        const TellRefuted& refuted) override;
  Result<ProbeReport> Probe(const Observer& observer, Duration interval,
                            WallMicros stood_still) override;
  Result<std::vector<Suspicion>> SuspectFree(const Observer& observer, const std::string& ns,
                                             const std::vector<HostedPod>& pods) override;
  Result<std::vector<HostedPod>> DeclareFree(const Observer& observer, const std::string& ns,
                                             const std::vector<Suspicion>& suspicions) override;
  Result<Pod> GetPod(const std::string& ns, const std::string& name) override;
  Result<std::string> BindingOfPod(const std::string& ns, Incarnation incarnation) override;
  Result<PodPage> ListPods(const std::string& ns, bool include_ended, Incarnation after,
                           uint32_t limit) override;
  Result<PodSnapshot> Snapshot(const std::string& ns) override;
  Result<Overview> ReadOverview(const std::string& ns, const OverviewLimits& limits) override;

  Result<std::vector<LogBounds>> ReadBounds(const std::vector<std::string>& namespaces) override;
  Result<EventPage> ReadEvents(const std::string& ns, Position after, uint32_t limit) override;

  Result<Pruned> Prune(const std::string& ns, const Retention& retention, uint32_t batch) override;
  Result<uint64_t> PruneCoordinators(Duration age, uint32_t batch) override;
  Result<std::vector<std::string>> ListNamespaces(const std::string& after,
                                                  uint32_t limit) override;

  Result<StartedWork> StartWork(const NewWork& work) override;
  Result<WorkItem> CheckpointWork(const WorkHolder& holder, const std::string& checkpoint,
                                  uint64_t number) override;
  Result<WorkItem> CompleteWork(const WorkHolder& holder, const std::string& result) override;
  Result<WorkItem> ReleaseWork(const WorkHolder& holder) override;
  Result<WorkItem> FailWork(const WorkHolder& holder, const std::string& reason) override;
  Result<WorkItem> TransferWork(const WorkHolder& holder, const std::string& to_name) override;
  Result<ClaimedWork> ClaimWork(const WorkClaim& claim) override;
  Result<std::vector<WorkItem>> ClaimOrphans(const OrphansClaim& claim) override;
  Result<WorkItem> ReleaseQuarantined(const std::string& ns, const std::string& key,
                                      Fence fence) override;
  Result<std::vector<std::string>> ListAssignable(const std::string& after,
                                                  uint32_t limit) override;
  Result<AssignedWork> AssignWork(const std::string& ns, uint32_t limit) override;
  Result<WaitingWork> CountWaiting() override;
  Result<WorkItem> GetWork(const std::string& ns, const std::string& key) override;
  Result<WorkPage> ListWork(const std::string& ns, const WorkFilter& filter,
                            const std::string& after, uint32_t limit) override;

 private:
  // An item after an attempt of its holder to change it.
  struct HeldItem {
    bool changed = false;
    // The caller owns it with its fence.
    bool held = false;
    WorkItem item;
  };

  // Reads with a plan for these very parameters, of which some are filters that may be off.
  Result<pg::Rows> List(const pg::Statement& statement, pg::Params params);

  // Sends the steps as one transaction and returns the rows of the last one.
  Result<pg::Rows> Change(std::vector<pg::Step> steps);

  // The same, and wakes the namespace's listeners after the commit. Returns the rows of each step.
  Result<std::vector<pg::Rows>> ChangeAndWake(const std::string& ns, std::vector<pg::Step> steps);

  // Wakes them, where only the answer told that there is an event.
  void Wake(const std::string& ns);

  // By the session that each is to have.
  using Outcomes = std::map<SessionNumber, Result<RegisterOutcome>>;
  // What is wished, and what the registration made before; by incarnation.
  using Repetitions = std::map<Incarnation, std::pair<const NewPod&, Registered>>;
  Outcomes Repeat(Repetitions repeated, const TellRefuted& refuted);
  Result<WrittenEvents> JudgeHosted(const pg::Statement& lock, const pg::Statement& statement,
                                    const std::string& ns, Cause cause,
                                    const std::vector<HostedPod>& pods, const Committed& committed);
  Result<HeldItem> ChangeHeld(const pg::Statement& statement, const WorkHolder& holder,
                              pg::Params more, bool wake);
  // From the rows of the locked pods, the first, and those of the attempt, the last, less its first
  // columns.
  static Result<HeldItem> Held(const std::vector<pg::Rows>& rows, const WorkHolder& holder,
                               int skip = 0);
  // A change that leaves the item without an owner.
  Result<WorkItem> GiveUp(const pg::Statement& statement, const WorkHolder& holder,
                          pg::Params more);

  pg::Link link_;
};

}  // namespace vigil
