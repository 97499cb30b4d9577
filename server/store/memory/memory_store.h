// The store port over the simulated database.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "store/memory/engine.h"
#include "store/store.h"

namespace vigil::memory {

// One method per transaction, each in the file of its subject: pods, verdicts, events,
// retention, work, recovery. Never waits, so that no deadline is needed.
class MemoryStore final : public Store {
 public:
  MemoryStore(std::shared_ptr<Engine> engine, std::shared_ptr<Link> link)
      : engine_(std::move(engine)), link_(std::move(link)) {}

  void Connect() override {}

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
  Result<Pod> GetPod(const std::string& ns, const std::string& name) override;
  Result<std::string> BindingOfPod(const std::string& ns, Incarnation incarnation) override;
  Result<PodPage> ListPods(const std::string& ns, bool include_ended, Incarnation after,
                           uint32_t limit) override;
  Result<PodSnapshot> Snapshot(const std::string& ns) override;
  Result<Overview> ReadOverview(const std::string& ns, const OverviewLimits& limits) override;

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
  Result<WaitingWork> CountWaiting() override;
  Result<WorkItem> GetWork(const std::string& ns, const std::string& key) override;
  Result<WorkPage> ListWork(const std::string& ns, const WorkFilter& filter,
                            const std::string& after, uint32_t limit) override;

  Result<ClaimedWork> ClaimWork(const WorkClaim& claim) override;
  Result<std::vector<WorkItem>> ClaimOrphans(const OrphansClaim& claim) override;
  Result<WorkItem> ReleaseQuarantined(const std::string& ns, const std::string& key,
                                      Fence fence) override;
  Result<std::vector<std::string>> ListAssignable(const std::string& after,
                                                  uint32_t limit) override;
  Result<AssignedWork> AssignWork(const std::string& ns, uint32_t limit) override;

 private:
  template <typename T>
  Result<T> Read(const std::function<Result<T>(Transaction&)>& body) {
    return engine_->Read<T>(*link_, body);
  }
  template <typename T>
  Result<T> Change(const std::function<Result<T>(Transaction&)>& body) {
    return engine_->Change<T>(*link_, body);
  }

  std::shared_ptr<Engine> engine_;
  const std::shared_ptr<Link> link_;
};

// The living pod of this name; null when there is none.
PodRow* FindLiving(NamespaceRow& space, const std::string& name);

// The head of the log of a namespace, which may not exist.
Position HeadOf(const NamespaceRow* space);

// Ends a living pod, with its event.
void End(Transaction& transaction, PodRow& row, PodState state, Cause cause);

// The coordinator's next Renewal says that this session of its was ended without it.
void TellHost(Transaction& transaction, CoordinatorNumber coordinator, SessionNumber session);

// Makes a SUSPECT pod ALIVE, with its event.
// Notes how long a suspicion stood, if there was one.
using StoodFor = std::vector<Duration>;
void RefuteSuspicion(Transaction& transaction, PodRow& row, StoodFor& stood);
void Tell(const StoodFor& stood, const TellRefuted& refuted);

}  // namespace vigil::memory
