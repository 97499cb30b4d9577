// The store port: everything Vigil asks of the state engine, one method per transaction.
//
// Two things stand behind it: Postgres (store/postgres) and a simulated one in memory
// (store/memory). The same conformance suite holds both to the contracts below.
//
// What every method keeps:
//  1. It is one transaction: its effects and its events become visible at once, or none do.   (P3)
//  2. Its events take the next numbers of its namespace: contiguous, and visible in order.   (P4)
//  3. It locks pods by number, then work items by key, then the namespace's head row, and decides
//  only after it has locked.
//  4. It ends within the deadline the store was opened with, with an Error of the reasons
//  DATABASE_UNAVAILABLE (nothing was changed) or OUTCOME_UNKNOWN (a commit was sent and not
//  answered: repeat the call, every change is idempotent) where it has to.
//  5. After the commit of events it wakes the listeners of every coordinator; the wake-up tells the
//  head of the log, and may be lost.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "core/types.h"
#include "store/counted.h"
#include "store/deeds.h"
#include "store/overview.h"
#include "store/probe_report.h"
#include "store/records.h"

namespace vigil {

// One connection to the state engine. One thread at a time; blocks the caller, so never the loop's
// thread. Reconnects by itself: after an error the next call tries anew.
class Store {
 public:
  virtual ~Store() = default;

  // Connects unless that is done, so that the next transaction need not. A failure shows there.
  virtual void Connect() = 0;

  // --- Coordinators

  // Adds the row of a coordinator that holds its lock already. `trust_window` is the one under
  // which it grants leases; observers read it in their probes.   (P7)
  virtual Result<void> AddCoordinator(CoordinatorNumber coordinator, const std::string& address,
                                      Duration trust_window) = 0;

  // The small write that proves that commits are acknowledged. `handled` are sessions of an earlier
  // Renewal that need no more mention. Error COORDINATOR_UNTRUSTED: the row is not ALIVE any more;
  // others have given this coordinator up.
  virtual Result<Renewal> RenewCoordinator(CoordinatorNumber coordinator,
                                           const std::vector<SessionNumber>& handled) = 0;

  // The coordinator has stopped on purpose. Idempotent.
  virtual Result<void> RemoveCoordinator(CoordinatorNumber coordinator) = 0;

  // Marks those DEAD whose lock is free in this transaction too. Returns them. Errors as in Probe.
  virtual Result<std::vector<CoordinatorNumber>> GiveUpCoordinators(
      const Observer& observer, const std::vector<CoordinatorNumber>& coordinators) = 0;

  // --- Pods

  // Begins an incarnation of each of these pods of one namespace, with a REGISTERED event; creates
  // the namespace where needed. When a `registration_id` has made one already, that one gets the
  // new session as in ResumeTogether, later. Answers each, in their order; they share errors of the
  // database alone. Of one name, one is begun. Errors: INCARNATION_ENDED (the one that was made has
  // ended), SESSION_TAKEN as there. REQUIRES: no two have the same session.
  virtual std::vector<Result<RegisterOutcome>> RegisterTogether(
      const std::vector<NewPod>& pods, const TellRefuted& refuted = {}) = 0;
  Result<RegisterOutcome> Register(const NewPod& pod, const TellRefuted& refuted = {}) {
    return std::move(RegisterTogether({pod}, refuted).front());
  }

  // Begins an incarnation in the place of the living one named, which ends as DEAD with the cause
  // SUPERSEDED: its DIED event and the REGISTERED event are one transaction. The end needs no
  // evidence but the two keys, which are equal and not empty: the one exception to P1 and P7. The
  // session of the superseded one is named in its coordinator's next Renewal. Nothing when the one
  // named does not live any more, has another name, or does not allow it, or when the registration
  // has made an incarnation before.   (P3)
  virtual Result<std::optional<Registered>> Supersede(const NewPod& pod, Incarnation incumbent) = 0;

  // Gives living incarnations of one namespace, none of them twice, new sessions with one
  // coordinator; answers as above. A SUSPECT one becomes ALIVE (REFUTED event); one from elsewhere
  // has MOVED. Its old session is in the next Renewal of its coordinator, perhaps the one that
  // asks. The same session once more is a repetition. Errors: POD_NOT_FOUND, SESSION_TOKEN_INVALID,
  // INCARNATION_ENDED, SESSION_TAKEN (P1: it has a newer one, a larger number).
  virtual std::vector<Result<Pod>> ResumeTogether(const std::vector<ResumePod>& pods,
                                                  const TellRefuted& refuted = {}) = 0;

  // Ends a living incarnation as LEFT, with its event. Idempotent. Errors: POD_NOT_FOUND,
  // INCARNATION_ENDED (DEAD), SESSION_TAKEN.
  virtual Result<void> Leave(const std::string& ns, HostedPod pod) = 0;

  // The host's own evidence: marks ALIVE pods SUSPECT with a new suspicion number and event.
  // Returns the events that it wrote, one for each pod that it marked. `committed` is told of them
  // right after the commit: those who follow the log here need not wait for the wake-up.
  using Committed = std::function<void(const WrittenEvents&)>;
  virtual Result<WrittenEvents> SuspectHosted(const std::string& ns, Cause cause,
                                              const std::vector<HostedPod>& pods,
                                              const Committed& committed = {}) = 0;

  // The host's own evidence: ends living pods as DEAD, with one DIED event each. Returns those
  // events, and tells of them as above.   (P1, P2)
  virtual Result<WrittenEvents> DeclareHosted(const std::string& ns, Cause cause,
                                              const std::vector<HostedPod>& pods,
                                              const Committed& committed = {}) = 0;

  // The host holds the locks of these sessions (again): SUSPECT ones become ALIVE, with an event.
  // Returns those that live in these sessions now, refuted or never suspected.
  virtual Result<std::vector<HostedPod>> Refute(const std::string& ns,
                                                const std::vector<HostedPod>& pods,
                                                const TellRefuted& refuted = {}) = 0;

  // Tries the current locks of all SUSPECT pods, of all ALIVE coordinators but the observer, and of
  // all ALIVE pods if the turn is due (`interval` after the last one, by the wall clock) and nobody
  // is at it, or the last one still is `stood_still`. Changes nothing but the turn. Error
  // COORDINATOR_UNTRUSTED: the observer's row is not ALIVE, its lock is not its backend's (not
  // looked at when nothing was free), or the identity differs.   (P10)
  virtual Result<ProbeReport> Probe(const Observer& observer, Duration interval,
                                    WallMicros stood_still = {}) = 0;

  // Weak evidence: marks those whose current lock is free in this transaction too, and which are
  // not yet SUSPECT on such evidence under the same identity, as SUSPECT with a new number. Returns
  // the suspicions that it made. Errors as in Probe.
  virtual Result<std::vector<Suspicion>> SuspectFree(const Observer& observer,
                                                     const std::string& ns,
                                                     const std::vector<HostedPod>& pods) = 0;

  // The verdict on weak evidence: ends those as DEAD whose current lock is free in this transaction
  // too and whose suspicion is still the one named, under the same identity. Returns those that it
  // ended. Errors as in Probe.   (P1, P2, P10)
  virtual Result<std::vector<HostedPod>> DeclareFree(const Observer& observer,
                                                     const std::string& ns,
                                                     const std::vector<Suspicion>& suspicions) = 0;

  // Error POD_NOT_FOUND.
  virtual Result<Pod> GetPod(const std::string& ns, const std::string& name) = 0;

  // What the session token of an incarnation, living or ended, is bound to (core/session_token.h).
  // Error POD_NOT_FOUND.
  virtual Result<std::string> BindingOfPod(const std::string& ns, Incarnation incarnation) = 0;

  // Pods with a larger incarnation than `after`, by incarnation.
  virtual Result<PodPage> ListPods(const std::string& ns, bool include_ended, Incarnation after,
                                   uint32_t limit) = 0;

  // The living pods and the head of the log, from one snapshot of the database.
  virtual Result<PodSnapshot> Snapshot(const std::string& ns) = 0;

  // For people. Looks at the living pods and as much else as the limits say, however many items the
  // living own and however long the log is; an unknown namespace is empty.   (P11)
  virtual Result<Overview> ReadOverview(const std::string& ns, const OverviewLimits& limits) = 0;

  // --- Event log

  // The bounds of these logs, in the same order; of a namespace that does not exist yet, those of
  // an empty one.
  virtual Result<std::vector<LogBounds>> ReadBounds(const std::vector<std::string>& namespaces) = 0;

  // Events after a position, at least one whole transaction if there is any and otherwise about
  // `limit`; with the bounds of the log, from the same snapshot. A position that this log does not
  // have is found out for ever, however far the log has grown since: the event there has another
  // mark.   (P8)
  virtual Result<EventPage> ReadEvents(const std::string& ns, Position after, uint32_t limit) = 0;

  // --- Retention. Old is what was stamped longer ago than the age allows, by the database's wall
  // clock. Repeat each until there is no more.

  // One round in a namespace, of about `batch` rows of each kind. Events that are too old or too
  // many are put out of the log: `oldest` goes on to the next transaction that stays, and a later
  // round deletes the rows before it, all but the last, which keeps its mark. Old incarnations that
  // have ended and neither own nor completed an item are deleted, and old COMPLETED items. Writers
  // are not held up beyond one round.   (P8, P11)
  virtual Result<Pruned> Prune(const std::string& ns, const Retention& retention,
                               uint32_t batch) = 0;

  // Deletes up to `batch` old coordinators that have ended, but none that a living pod was last
  // hosted by. Returns how many.   (P7)
  virtual Result<uint64_t> PruneCoordinators(Duration age, uint32_t batch) = 0;

  // Namespaces after this one, in the database's order.
  virtual Result<std::vector<std::string>> ListNamespaces(const std::string& after,
                                                          uint32_t limit) = 0;

  // --- Work. In each change the caller's row is locked until the commit; it must be living: errors
  // POD_NOT_FOUND, INCARNATION_ENDED.   (P6)

  // An item remembers the ids of the last kRememberedRequests requests that changed it and carried
  // one, and a pod those with which it claimed orphans. One of them changes nothing any more; it is
  // answered with the items as they are.

  // A new item's fence is above those of all that were pruned in its namespace. A RELEASED item is
  // taken, and keeps its traits.   (P5)
  virtual Result<StartedWork> StartWork(const NewWork& work) = 0;

  // Errors of the next five: WORK_NOT_FOUND, FENCED (with owner and fence), WORK_COMPLETED.   (P5)
  // A checkpoint whose number is not larger than that of the owner's last one changes nothing: it
  // comes again, or late. 0 is not compared.
  virtual Result<WorkItem> CheckpointWork(const WorkHolder& holder, const std::string& checkpoint,
                                          uint64_t number) = 0;
  virtual Result<WorkItem> CompleteWork(const WorkHolder& holder, const std::string& result) = 0;
  virtual Result<WorkItem> ReleaseWork(const WorkHolder& holder) = 0;

  // Counts as an adoption; RELEASED, or QUARANTINED when it was one too many.
  virtual Result<WorkItem> FailWork(const WorkHolder& holder, const std::string& reason) = 0;

  // To the living pod of this name, whose row is locked too; else POD_NOT_FOUND. The item as it is
  // when the pod is the holder's own. Error NOT_GRANTED: another one, which may not claim.   (P6)
  virtual Result<WorkItem> TransferWork(const WorkHolder& holder, const std::string& to_name) = 0;

  // Errors: WORK_NOT_FOUND, OWNER_ALIVE, WORK_COMPLETED. CLAIMED again for a claim that this very
  // claimant has won already. An orphan that was adopted too often is quarantined.   (P5, P6)
  virtual Result<ClaimedWork> ClaimWork(const WorkClaim& claim) = 0;

  // Claims orphans and released items that the choice passes and whose policy is not ASSIGN and
  // lets the claimant have them, skipping locked ones. Returns them by key. Ends before the item
  // whose bytes would make the answer larger than kLargestAnswer, but claims at least one if there
  // is any. Quarantines those that were adopted too often, which count for the limit.   (P11)
  virtual Result<std::vector<WorkItem>> ClaimOrphans(const OrphansClaim& claim) = 0;

  // Of one that is QUARANTINED, or an orphan of whatever policy: RELEASED, with no adoptions.
  // Errors: WORK_NOT_FOUND, FENCED.
  virtual Result<WorkItem> ReleaseQuarantined(const std::string& ns, const std::string& key,
                                              Fence fence) = 0;

  // Namespaces in which an item of the policy ASSIGN is an orphan or RELEASED; those after `after`,
  // in the database's order.
  virtual Result<std::vector<std::string>> ListAssignable(const std::string& after,
                                                          uint32_t limit) = 0;

  // Gives up to `limit` items of the policy ASSIGN that nobody has to ALIVE pods that may claim and
  // match their selector, each to the one that owns the fewest items by then, skipping locked ones.
  // Rows are locked as in a claim.   (P5, P6)
  virtual Result<AssignedWork> AssignWork(const std::string& ns, uint32_t limit) = 0;

  // Of all namespaces. Reads none of what the living own.
  virtual Result<WaitingWork> CountWaiting() = 0;

  // Error WORK_NOT_FOUND.
  virtual Result<WorkItem> GetWork(const std::string& ns, const std::string& key) = 0;

  // Items with a larger key than `after`, by key (compared byte by byte). A page ends before the
  // item whose bytes would make it larger than kLargestAnswer, but has one if there is any.   (P11)
  virtual Result<WorkPage> ListWork(const std::string& ns, const WorkFilter& filter,
                                    const std::string& after, uint32_t limit) = 0;
};

}  // namespace vigil
