#include "sim/checker.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/errors.h"
#include "history/promised.h"

namespace vigil::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// What a clock that is too fast by half of the bound counts too early.
Duration Shrunk(Duration duration) { return duration - duration * 5 / 1000; }

// The longest gap between two looks of an observer that remembers.
constexpr int kLongestGapInProbes = 4;

bool Ended(PodState state) { return state == PodState::kDead || state == PodState::kLeft; }

std::string Text(const Pod& pod) {
  return fmt::format("{} (incarnation {}, session {})", pod.name, pod.incarnation.value,
                     pod.session.value);
}

}  // namespace

Checker::Checker(const Plan& plan, VirtualTime& time, DatabaseServer& server,
                 const Witness& witness)
    : plan_(plan), time_(time), server_(server), witness_(witness), beginning_(time.Now()) {
  reference_.bounds = history::kPromised;
}

void Checker::Violate(const std::string& promise, const std::string& what) {
  if (!violation_) violation_ = Violation{promise, what, time_.Now() - beginning_};
}

void Checker::Look() {
  server_.engine->Inspect([this](const Tables& tables, const Server& server) {
    if (server.identity != identity_) {
      identity_ = server.identity;
      identity_since_ = time_.Now();
    }
    if (server.transactions == transactions_) return;
    transactions_ = server.transactions;
    LookAt(tables, server);
  });
}

void Checker::LookAt(const Tables& tables, const Server& server) {
  const auto found = tables.namespaces.find(kNamespace);
  if (found == tables.namespaces.end()) return;
  const memory::NamespaceRow& space = found->second;
  LookAtLog(space);
  std::map<std::string, Incarnation> living;
  for (const auto& [incarnation, row] : space.pods) {
    LookAtPod(row, space, tables, server);
    if (row.pod.living() && !living.emplace(row.pod.name, incarnation).second) {
      Violate("P1", "two living incarnations of " + row.pod.name);
    }
  }
  LookAtWork(space, server);
  LookAtBeliefs();
}

// --- The log

void Checker::LookAtLog(const memory::NamespaceRow& space) {
  if (space.head() < Head()) Violate("P4", "the log is shorter than it was");
  reference_.oldest = space.oldest;
  while (Head() < space.head()) {
    const Event& event = reference_.log.emplace_back(space.At(Seq{Head().value + 1}));
    if (event.seq != Head()) {
      Violate("P4", fmt::format("event {} stands at {}", event.seq.value, Head().value));
    }
    if (event.transaction_end < event.seq) {
      Violate("P4", fmt::format("event {} is after the end of its transaction", event.seq.value));
    }
    if (event.kind == EventKind::kPodDied || event.kind == EventKind::kPodLeft) {
      if (++ends_[event.incarnation] > 1) {
        Violate("P2", fmt::format("{} ends twice", event.pod_name));
      }
    }
    if (on_event) on_event(event);
  }
}

Seq Checker::Head() const { return Seq{reference_.log.size()}; }

void Checker::Judge(const history::History& told, Seq through) {
  reference_.through = through;
  for (const std::string& violation : history::Validate(told, reference_)) {
    Violate("P8", violation);
  }
}

// --- Pods

void Checker::LookAtPod(const memory::PodRow& row, const memory::NamespaceRow& space,
                        const Tables& tables, const Server& server) {
  const auto [found, added] = rows_.try_emplace(row.pod.incarnation);
  Row& seen = found->second;
  const Row before = seen;
  if (!added && Ended(before.state)) {
    if (row.pod.state != before.state) Violate("P2", Text(row.pod) + " came back");
    return;
  }
  if (bool(row.suspicion) != (row.pod.state == PodState::kSuspect)) {
    Violate("P1", Text(row.pod) + " has a suspicion that does not belong to its state");
  }
  if (row.suspicion != before.suspicion) seen.suspected_at = time_.Now();
  if (before.session != row.pod.session) taken_[before.session] = time_.Now();
  seen.state = row.pod.state;
  seen.cause = row.pod.cause;
  seen.session = row.pod.session;
  seen.suspicion = row.suspicion;
  if (!Ended(row.pod.state)) return LookAtStarved(row);
  taken_[row.pod.session] = time_.Now();
  LookAtEnd(row, space);
  if (row.pod.state == PodState::kDead) LookAtDeath(row, before, space, tables, server);
}

// The event, with how many items it leaves, came in the same transaction.   (P3)
void Checker::LookAtEnd(const memory::PodRow& row, const memory::NamespaceRow& space) {
  const auto orphans = static_cast<uint32_t>(
      std::count_if(space.work.begin(), space.work.end(), [&](const auto& entry) {
        const WorkItem& item = entry.second.item;
        return item.state == WorkState::kOwned && item.owner == row.pod.incarnation;
      }));
  const auto kind = row.pod.state == PodState::kDead ? EventKind::kPodDied : EventKind::kPodLeft;
  for (auto event = space.log.rbegin(); event != space.log.rend(); ++event) {
    if (event->incarnation != row.pod.incarnation || event->kind != kind) continue;
    if (event->orphans != orphans) {
      Violate("P3", fmt::format("{} leaves {} items, and its event says {}", Text(row.pod), orphans,
                                event->orphans));
    }
    return;
  }
  Violate("P3", Text(row.pod) + " has ended without an event");
}

void Checker::LookAtDeath(const memory::PodRow& row, const Row& before,
                          const memory::NamespaceRow& space, const Tables& tables,
                          const Server& server) {
  if (row.pod.cause == Cause::kSuperseded) return LookAtSuccession(row, space);
  const SimulatedPod* pod = witness_.PodOf(row.pod.incarnation);
  if (plan_.gentle && pod && pod->life()->Believes() && !exempt_.contains(row.pod.incarnation)) {
    Violate("P9",
            fmt::format("{} lives, and was declared dead: {}", Text(row.pod), Name(row.pod.cause)));
  }
  if (row.pod.cause == Cause::kLockFree) {
    LookAtWeakEvidence(row, before, tables, server);
  } else {
    LookAtStrongEvidence(row, tables);
  }
}

// The one exception to P1 and P7: it said itself that its name never runs twice, and one with the
// same key begins in the same transaction.
void Checker::LookAtSuccession(const memory::PodRow& row, const memory::NamespaceRow& space) {
  const auto newcomer = std::find_if(space.pods.begin(), space.pods.end(), [&](const auto& each) {
    return each.second.pod.name == row.pod.name && each.second.pod.living();
  });
  if (newcomer == space.pods.end() || rows_.contains(newcomer->first)) {
    Violate("P1", Text(row.pod) + " was superseded by nobody that begins");
  } else if (row.supersede_key.empty() || newcomer->second.supersede_key != row.supersede_key) {
    Violate("P1", Text(row.pod) + " was superseded by one without its key");
  }
}

void Checker::LookAtStrongEvidence(const memory::PodRow& row, const Tables& tables) {
  const Machine* acting = time_.acting();
  const auto host = tables.coordinators.find(row.pod.coordinator);
  if (host == tables.coordinators.end() || !acting || host->second.address != acting->name()) {
    Violate("P1", Text(row.pod) + " was ended on strong evidence by another than its host");
    return;
  }
  const SimulatedPod* pod = witness_.PodOf(row.pod.incarnation);
  if (!pod || !pod->life()->Believes() || exempt_.contains(row.pod.incarnation)) return;
  LookAtWhatItsHostHeard(row);
  const Instant trouble = witness_.LastTrouble(*pod, host->second.address);
  if (time_.Now() - trouble > 4 * row.pod.lease + seconds(1)) {
    Violate("P1", fmt::format("{} lives and reaches its host, which declared it dead: {}",
                              Text(row.pod), Name(row.pod.cause)));
  }
}

// It judges a living pod only by what that did knowingly, and not in a pause of the host's own.
void Checker::LookAtWhatItsHostHeard(const memory::PodRow& row) {
  const auto heard = heard_.find(row.pod.session);
  if (heard == heard_.end()) {
    Violate("P1", Text(row.pod) + " lives, and was ended in a session that it never knew");
    return;
  }
  const auto [from, until] = time_.acting()->LastFreezing(row.pod.lease * 35 / 100);
  const Instant patient = until + Shrunk(row.pod.lease);
  const auto ended = stream_ended_.find(row.pod.session);
  const bool by_its_end = row.pod.cause == Cause::kStreamEnded && ended != stream_ended_.end() &&
                          ended->second >= until && ended->second < patient;
  const bool by_its_silence = row.pod.cause == Cause::kHeartbeatsStopped && time_.Now() < patient &&
                              heard->second + Shrunk(row.pod.lease) > from;
  if (by_its_end || by_its_silence) {
    Violate("P10", Text(row.pod) + " lives, and was ended by what it did in a pause of its host");
  }
}

void Checker::LookAtWeakEvidence(const memory::PodRow& row, const Row& before, const Tables& tables,
                                 const Server& server) {
  if (server.locks.contains(LockKey{LockKind::kSession, row.pod.session.value})) {
    Violate("P1", Text(row.pod) + " was declared dead though its lock is held");
  }
  const Duration grace = GraceFor(row.pod.profile, row.pod.lease, plan_.settings.timing);
  if (!before.suspicion) Violate("P1", Text(row.pod) + " was dead before it was suspected");
  if (time_.Now() - before.suspected_at < Shrunk(grace)) {
    Violate("P1", Text(row.pod) + " was declared dead before its suspicion stood for the grace");
  }
  if (time_.Now() - identity_since_ < Shrunk(grace)) {
    Violate("P9", Text(row.pod) + " was declared dead before a full grace after the database's " +
                      "return");
  }
  LookAtObserver(tables, server, grace);
}

void Checker::LookAtObserver(const Tables& tables, const Server& server, Duration grace) {
  const Machine* observer = time_.acting();
  const bool fit = std::any_of(
      tables.coordinators.begin(), tables.coordinators.end(), [&](const auto& coordinator) {
        const auto& [number, row] = coordinator;
        const auto lock = server.locks.find(LockKey{LockKind::kCoordinator, number.value});
        if (row.state != CoordinatorState::kAlive || lock == server.locks.end()) {
          return false;
        }
        const auto client = server_.clients.find(lock->second.holder);
        return client != server_.clients.end() && client->second == observer;
      });
  if (!fit) Violate("P10", "an observer judged whose row is not ALIVE or whose lock is not held");
  if (!observer) return;
  if (time_.Now() - observer->started() < Shrunk(grace)) {
    Violate("P10", "an observer judged that has not observed for the grace");
  }
  const Duration gap = kLongestGapInProbes * plan_.settings.timing.probe_interval;
  // Its clock may be too slow, and the gap counts from the last look before it.
  if (time_.Now() - observer->LastFrozenLongerThan(gap + gap / 50) < Shrunk(grace)) {
    Violate("P10", "an observer judged by what it saw before a pause of its own");
  }
}

void Checker::LookAtBeliefs() {
  for (const auto& pod : witness_.Pods()) {
    const PodLife* life = pod->machine().dead() ? nullptr : pod->life();
    if (!life || !life->incarnation()) continue;
    LookAtBelief(*pod, *life);
    LookAtWatchdog(*pod, *life);
  }
}

void Checker::LookAtBelief(const SimulatedPod& pod, const PodLife& life) {
  const auto row = rows_.find(life.incarnation());
  if (row == rows_.end() || row->second.state != PodState::kDead) return;
  if (life.profile() != Profile::kStrict || exempt_.contains(life.incarnation())) return;
  if (row->second.cause == Cause::kSuperseded) return;
  if (life.LeaseValidAt(pod.machine().Now())) {
    Violate("P7", fmt::format("{} (incarnation {}) is dead while its lease is valid", pod.name(),
                              life.incarnation().value));
  }
}

// One whose application hangs finds itself LOST. A pause of its process begins its time anew.
void Checker::LookAtWatchdog(const SimulatedPod& pod, const PodLife& life) {
  if (life.watchdog() == Duration::zero() || !life.Believes()) return;
  const Instant since =
      std::max(life.fed_at(), pod.machine().LastFrozenLongerThan(Duration::zero()));
  if (time_.Now() - since > life.watchdog() + life.watchdog() / 100) {
    Violate("P2", fmt::format("{} hangs, and believes itself alive", pod.name()));
  }
}

void Checker::Lost(const SimulatedPod& pod) {
  const PodLife& life = *pod.life();
  if (life.why()->reason == client::Reason::kWatchdogStarved) {
    if (time_.Now() - life.fed_at() < Shrunk(life.watchdog())) {
      Violate("P9", pod.name() + " was fed, and starved");
    }
    if (plan_.gentle) starved_.emplace(life.incarnation(), time_.Now());
  } else if (plan_.gentle && !life.Superseded()) {
    Violate("P9", pod.name() + " lives, and is LOST");
  }
}

// Its end was strong evidence at once.
void Checker::LookAtStarved(const memory::PodRow& row) {
  const auto starved = starved_.find(row.pod.incarnation);
  if (starved == starved_.end()) return;
  const Duration since = time_.Now() - starved->second;
  if (since > milliseconds(500) && row.pod.state == PodState::kAlive) {
    Violate("P2", Text(row.pod) + " found itself LOST, and is not suspected at once");
  }
  if (since > row.pod.lease + row.pod.lease / 50 + seconds(1)) {
    Violate("P2", Text(row.pod) + " found itself LOST, and is not dead soon after");
  }
}

void Checker::Saw(SessionNumber session, SessionMoment moment) {
  switch (moment) {
    case SessionMoment::kGranted:
      return LookAtGrant(session);
    case SessionMoment::kHeard:
      heard_[session] = time_.Now();
      return;
    case SessionMoment::kEnded:
      stream_ended_[session] = time_.Now();
      return;
  }
}

void Checker::LookAtGrant(SessionNumber session) {
  const auto taken = taken_.find(session);
  if (taken == taken_.end()) return;
  // Its host hears of it with the renewal that it needs to be trusted.
  const Duration trust = plan_.settings.timing.trust_window;
  if (time_.Now() - taken->second > trust + trust / 50) {
    Violate("P1", fmt::format("a lease was granted in session {}, which was taken {} ms ago",
                              session.value, (time_.Now() - taken->second) / milliseconds(1)));
  }
}

}  // namespace vigil::sim
