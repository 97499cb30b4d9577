// Suspicions, their refutation, and verdicts.
#include <algorithm>
#include <chrono>

#include "store/memory/memory_store.h"

namespace vigil::memory {
namespace {

using Hosted = std::vector<HostedPod>;

// The row of a living pod, if it still is in the session that the caller knows.
PodRow* FindHosted(Transaction& tx, const std::string& ns, HostedPod pod) {
  PodRow* row = tx.FindPod(ns, pod.incarnation);
  if (row == nullptr || !row->pod.living() || row->pod.session != pod.session) return nullptr;
  return row;
}

bool IsFree(const Transaction& tx, const PodRow& row) {
  return tx.IsFree(LockKind::kSession, row.pod.session.value);
}

// Whether its suspicion says that its lock was free, of the locks that the database still has.
bool IsSuspectedFree(const Transaction& tx, const PodRow& row) {
  return row.pod.state == PodState::kSuspect && row.found_free_under == tx.server().identity;
}

void Suspect(Transaction& tx, PodRow& row, Cause cause, DatabaseIdentity found_free_under) {
  row.pod.state = PodState::kSuspect;
  row.pod.cause = cause;
  row.suspicion = tx.Issue<SuspicionNumber>();
  row.found_free_under = std::move(found_free_under);
  row.suspected_at = tx.now();
  tx.Append(EventKind::kPodSuspected, row.pod, cause).detected_at = tx.now();
}

// How long the turn of the last probe of all locks still lasts; zero from the moment that it is
// over, and when it has not begun yet: the wall clock was set back.
Duration UntilTurn(Transaction& tx, Duration interval) {
  const auto& last = tx.tables().last_probe;
  if (!last || tx.now() < last->at) return Duration::zero();
  const Duration ago = std::chrono::microseconds(tx.now().value - last->at.value);
  return std::max(interval - ago, Duration::zero());
}

Duration TrustWindowOf(Transaction& tx, CoordinatorNumber coordinator) {
  auto host = tx.tables().coordinators.find(coordinator);
  return host == tx.tables().coordinators.end() ? Duration::zero() : host->second.trust_window;
}

}  // namespace

Result<WrittenEvents> MemoryStore::SuspectHosted(const std::string& ns, Cause cause,
                                                 const std::vector<HostedPod>& pods,
                                                 const Committed& committed) {
  auto written = Change<WrittenEvents>([&](Transaction& tx) -> Result<WrittenEvents> {
    for (const HostedPod& pod : pods) {
      PodRow* row = FindHosted(tx, ns, pod);
      if (row == nullptr || row->pod.state != PodState::kAlive) continue;
      Suspect(tx, *row, cause, {});
    }
    return tx.Written(ns);
  });
  if (written && committed) committed(*written);
  return written;
}

Result<WrittenEvents> MemoryStore::DeclareHosted(const std::string& ns, Cause cause,
                                                 const std::vector<HostedPod>& pods,
                                                 const Committed& committed) {
  auto written = Change<WrittenEvents>([&](Transaction& tx) -> Result<WrittenEvents> {
    for (const HostedPod& pod : pods) {
      PodRow* row = FindHosted(tx, ns, pod);
      if (row != nullptr) End(tx, *row, PodState::kDead, cause);
    }
    return tx.Written(ns);
  });
  if (written && committed) committed(*written);
  return written;
}

Result<Hosted> MemoryStore::Refute(const std::string& ns, const std::vector<HostedPod>& pods,
                                   const TellRefuted& refuted) {
  StoodFor stood;
  auto living = Change<Hosted>([&](Transaction& tx) -> Result<Hosted> {
    Hosted still;
    for (const HostedPod& pod : pods) {
      PodRow* row = FindHosted(tx, ns, pod);
      if (row == nullptr) continue;
      RefuteSuspicion(tx, *row, stood);
      still.push_back(pod);
    }
    return still;
  });
  if (living) Tell(stood, refuted);
  return living;
}

Result<ProbeReport> MemoryStore::Probe(const Observer& observer, Duration interval,
                                       WallMicros stood_still) {
  return Change<ProbeReport>([&](Transaction& tx) -> Result<ProbeReport> {
    if (auto fit = tx.RequireFit(observer); !fit) return Fail(fit.error());
    ProbeReport report{.identity = tx.server().identity, .next_turn = UntilTurn(tx, interval)};
    auto& last = tx.tables().last_probe;
    const bool stands_still = last && stood_still == last->at;
    report.of_all = report.next_turn == Duration::zero() || stands_still;
    uint64_t living = 0;
    for (const auto& [ns, space] : tx.tables().namespaces) {
      for (const auto& [incarnation, row] : space.pods) {
        if (!row.pod.living()) continue;
        ++living;
        const bool suspect = row.pod.state == PodState::kSuspect;
        if (suspect) ++report.suspect;
        if (!(suspect || report.of_all) || !IsFree(tx, row)) continue;
        report.free_pods.push_back(
            {.ns = ns,
             .pod = {row.pod.incarnation, row.pod.session},
             .profile = row.pod.profile,
             .lease = row.pod.lease,
             .host_trust_window = TrustWindowOf(tx, row.pod.coordinator),
             .suspicion = IsSuspectedFree(tx, row) ? row.suspicion : SuspicionNumber{}});
      }
    }
    for (const auto& [number, row] : tx.tables().coordinators) {
      if (number == observer.number || row.state != CoordinatorState::kAlive) continue;
      if (tx.IsFree(LockKind::kCoordinator, number.value)) {
        report.free_coordinators.push_back({number, row.trust_window});
      }
    }
    if (report.of_all) {
      last = {tx.now(), living, tx.server().locks.size()};
      report.next_turn = interval;
      report.locks_counted = true;
    }
    report.turn = last->at;
    report.living = last->living;
    report.locks.in_use = last->locks;
    return report;
  });
}

Result<std::vector<Suspicion>> MemoryStore::SuspectFree(const Observer& observer,
                                                        const std::string& ns,
                                                        const std::vector<HostedPod>& pods) {
  using Suspicions = std::vector<Suspicion>;
  return Change<Suspicions>([&](Transaction& tx) -> Result<Suspicions> {
    if (auto fit = tx.RequireFit(observer); !fit) return Fail(fit.error());
    Suspicions suspicions;
    for (const HostedPod& pod : pods) {
      PodRow* row = FindHosted(tx, ns, pod);
      if (row == nullptr || IsSuspectedFree(tx, *row) || !IsFree(tx, *row)) continue;
      Suspect(tx, *row, Cause::kLockFree, tx.server().identity);
      suspicions.push_back({pod, row->suspicion});
    }
    return suspicions;
  });
}

Result<Hosted> MemoryStore::DeclareFree(const Observer& observer, const std::string& ns,
                                        const std::vector<Suspicion>& suspicions) {
  return Change<Hosted>([&](Transaction& tx) -> Result<Hosted> {
    if (auto fit = tx.RequireFit(observer); !fit) return Fail(fit.error());
    Hosted dead;
    for (const auto& [pod, number] : suspicions) {
      PodRow* row = FindHosted(tx, ns, pod);
      if (row == nullptr || row->suspicion != number) continue;
      if (!IsSuspectedFree(tx, *row) || !IsFree(tx, *row)) continue;
      End(tx, *row, PodState::kDead, Cause::kLockFree);
      TellHost(tx, row->pod.coordinator, row->pod.session);
      dead.push_back(pod);
    }
    return dead;
  });
}

}  // namespace vigil::memory
