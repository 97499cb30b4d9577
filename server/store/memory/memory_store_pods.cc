// How pods register, move, leave and are looked at.
#include <algorithm>
#include <set>

#include "base/check.h"
#include "core/session_token.h"
#include "store/memory/memory_store.h"
#include "store/memory/work_rows.h"

namespace vigil::memory {
namespace {

constexpr size_t kMostPredecessorsWork = 1000;

PodRow* FindRegistration(NamespaceRow& space, const std::string& registration_id) {
  for (auto& [incarnation, row] : space.pods) {
    if (row.registration_id == registration_id) return &row;
  }
  return nullptr;
}

// Error SESSION_TAKEN: this resume came late.
template <typename Returning>
Result<void> GiveSession(Transaction& tx, PodRow& row, const Returning& pod, StoodFor& stood) {
  const auto [coordinator, session] = std::pair(pod.coordinator, pod.session);
  if (session < row.pod.session) return Fail(SessionTaken(row.pod.session));
  row.may_claim = pod.may_claim;
  RefuteSuspicion(tx, row, stood);
  CoordinatorNumber old_coordinator = std::exchange(row.pod.coordinator, coordinator);
  SessionNumber old_session = std::exchange(row.pod.session, session);
  if (old_coordinator != coordinator) tx.Append(EventKind::kPodMoved, row.pod);
  if (old_session != session) TellHost(tx, old_coordinator, old_session);
  return {};
}

Result<Pod> ResumeOne(Transaction& tx, const ResumePod& pod, StoodFor& stood) {
  PodRow* row = tx.FindPod(pod.ns, pod.incarnation);
  if (row == nullptr) return Fail(PodNotFound(std::to_string(pod.incarnation.value)));
  if (row->session_token != pod.session_token) return Fail(SessionTokenInvalid(pod.incarnation));
  if (!row->pod.living()) {
    return Fail(IncarnationEnded(pod.incarnation, row->pod.state, row->pod.cause));
  }
  auto given = GiveSession(tx, *row, pod, stood);
  if (!given) return Fail(std::move(given.error()));
  return row->pod;
}

PodRow& AddPod(Transaction& tx, NamespaceRow& space, const NewPod& pod) {
  auto incarnation = tx.Issue<Incarnation>();
  PodRow& row = space.pods[incarnation];
  row.pod = Pod{.ns = pod.ns,
                .name = pod.name,
                .incarnation = incarnation,
                .profile = pod.profile,
                .lease = pod.lease,
                .labels = pod.labels,
                .coordinator = pod.coordinator,
                .session = pod.session,
                .registered_at = tx.now()};
  row.registration_id = pod.registration_id;
  row.session_token = pod.session_token;
  row.supersede_key = pod.supersede_key;
  row.may_claim = pod.may_claim;
  tx.Append(EventKind::kPodRegistered, row.pod);
  return row;
}

// All of their owners are ended, since at most one incarnation of a name lives.
std::vector<WorkItem> PredecessorsWork(const NamespaceRow& space, const Pod& pod) {
  std::vector<WorkItem> items;
  for (const auto& [key, row] : space.work) {
    const WorkItem& item = row.item;
    if (item.state != WorkState::kOwned || item.owner == pod.incarnation) continue;
    if (space.pods.at(item.owner).pod.name != pod.name) continue;
    WorkItem& shown = items.emplace_back(Shown(space, row));
    shown.payload.clear();
    shown.checkpoint.clear();
    shown.result.clear();
    shown.traits.labels.clear();
    shown.traits.selector.clear();
    shown.former_owners.clear();
    if (items.size() == kMostPredecessorsWork) break;
  }
  return items;
}

// Without effect when it fails.
Result<RegisterOutcome> RegisterOne(Transaction& tx, const NewPod& pod, StoodFor& stood) {
  NamespaceRow& space = tx.tables().namespaces[pod.ns];
  PodRow* row = FindRegistration(space, pod.registration_id);
  if (row != nullptr) {
    const Pod& made = row->pod;
    if (!made.living()) return Fail(IncarnationEnded(made.incarnation, made.state, made.cause));
    auto given = GiveSession(tx, *row, pod, stood);
    if (!given) return Fail(std::move(given.error()));
  } else {
    PodRow* incumbent = FindLiving(space, pod.name);
    if (incumbent != nullptr) return NameTaken{incumbent->pod.incarnation};
    row = &AddPod(tx, space, pod);
  }
  return Registered{row->pod, row->session_token, PredecessorsWork(space, row->pod)};
}

}  // namespace

PodRow* FindLiving(NamespaceRow& space, const std::string& name) {
  for (auto& [incarnation, row] : space.pods) {
    if (row.pod.name == name && row.pod.living()) return &row;
  }
  return nullptr;
}

void End(Transaction& tx, PodRow& row, PodState state, Cause cause) {
  row.pod.state = state;
  row.pod.cause = cause;
  row.pod.ended_at = tx.now();
  row.suspicion = {};
  const WallMicros suspected_at = std::exchange(row.suspected_at, {});
  row.found_free_under.clear();
  auto kind = state == PodState::kLeft ? EventKind::kPodLeft : EventKind::kPodDied;
  const auto& work = tx.FindNamespace(row.pod.ns)->work;
  auto orphans = std::ranges::count_if(work, [&](const auto& entry) {
    const WorkItem& item = entry.second.item;
    return item.state == WorkState::kOwned && item.owner == row.pod.incarnation;
  });
  Event& event = tx.Append(kind, row.pod, cause);
  event.orphans = static_cast<uint32_t>(orphans);
  if (state == PodState::kLeft) return;
  const bool by_suspicion = suspected_at && cause != Cause::kSuperseded;
  event.detected_at = by_suspicion ? suspected_at : tx.now();
}

void TellHost(Transaction& tx, CoordinatorNumber coordinator, SessionNumber session) {
  auto host = tx.tables().coordinators.find(coordinator);
  if (host != tx.tables().coordinators.end()) host->second.taken.insert(session);
}

void RefuteSuspicion(Transaction& tx, PodRow& row, StoodFor& stood) {
  if (row.pod.state != PodState::kSuspect) return;
  stood.push_back(std::chrono::microseconds(tx.now().value - row.suspected_at.value));
  row.pod.state = PodState::kAlive;
  row.pod.cause = Cause::kNone;
  row.suspicion = {};
  row.suspected_at = {};
  row.found_free_under.clear();
  tx.Append(EventKind::kPodRefuted, row.pod);
}

void Tell(const StoodFor& stood, const TellRefuted& refuted) {
  if (!refuted) return;
  for (const Duration each : stood) refuted(each);
}

std::vector<Result<RegisterOutcome>> MemoryStore::RegisterTogether(const std::vector<NewPod>& pods,
                                                                   const TellRefuted& refuted) {
  using Outcomes = std::vector<Result<RegisterOutcome>>;
  StoodFor stood;
  auto outcomes = Change<Outcomes>([&](Transaction& tx) {
    Outcomes each;
    for (const NewPod& pod : pods) each.push_back(RegisterOne(tx, pod, stood));
    return each;
  });
  if (!outcomes) return Outcomes(pods.size(), Fail(outcomes.error()));
  Tell(stood, refuted);
  return std::move(*outcomes);
}

Result<std::optional<Registered>> MemoryStore::Supersede(const NewPod& pod, Incarnation incumbent) {
  using Outcome = std::optional<Registered>;
  return Change<Outcome>([&](Transaction& tx) -> Result<Outcome> {
    PodRow* row = tx.FindPod(pod.ns, incumbent);
    if (row == nullptr || !row->pod.living() || row->pod.name != pod.name) return Outcome{};
    if (pod.supersede_key.empty() || row->supersede_key != pod.supersede_key) return Outcome{};
    NamespaceRow& space = *tx.FindNamespace(pod.ns);
    if (FindRegistration(space, pod.registration_id) != nullptr) return Outcome{};
    End(tx, *row, PodState::kDead, Cause::kSuperseded);
    TellHost(tx, row->pod.coordinator, row->pod.session);
    const PodRow& begun = AddPod(tx, space, pod);
    return Registered{begun.pod, begun.session_token, PredecessorsWork(space, begun.pod)};
  });
}

std::vector<Result<Pod>> MemoryStore::ResumeTogether(const std::vector<ResumePod>& pods,
                                                     const TellRefuted& refuted) {
  using Outcomes = std::vector<Result<Pod>>;
  StoodFor stood;
  auto outcomes = Change<Outcomes>([&](Transaction& tx) {
    Outcomes each;
    std::set<Incarnation> resumed;
    for (const ResumePod& pod : pods) {
      VIGIL_CHECK(resumed.insert(pod.incarnation).second);
      each.push_back(ResumeOne(tx, pod, stood));
    }
    return each;
  });
  if (!outcomes) return Outcomes(pods.size(), Fail(outcomes.error()));
  Tell(stood, refuted);
  return std::move(*outcomes);
}

Result<void> MemoryStore::Leave(const std::string& ns, HostedPod pod) {
  return Change<void>([&](Transaction& tx) -> Result<void> {
    PodRow* row = tx.FindPod(ns, pod.incarnation);
    if (row == nullptr) return Fail(PodNotFound(std::to_string(pod.incarnation.value)));
    if (row->pod.state == PodState::kLeft) return {};
    if (row->pod.state == PodState::kDead) {
      return Fail(IncarnationEnded(pod.incarnation, row->pod.state, row->pod.cause));
    }
    if (row->pod.session != pod.session) return Fail(SessionTaken(row->pod.session));
    End(tx, *row, PodState::kLeft, Cause::kLeft);
    return {};
  });
}

Result<Pod> MemoryStore::GetPod(const std::string& ns, const std::string& name) {
  return Read<Pod>([&](Transaction& tx) -> Result<Pod> {
    const Pod* latest = nullptr;
    if (NamespaceRow* space = tx.FindNamespace(ns)) {
      // The living one is the latest of its name.
      for (const auto& [incarnation, row] : space->pods) {
        if (row.pod.name == name) latest = &row.pod;
      }
    }
    if (latest == nullptr) return Fail(PodNotFound(name));
    return *latest;
  });
}

Result<std::string> MemoryStore::BindingOfPod(const std::string& ns, Incarnation incarnation) {
  return Read<std::string>([&](Transaction& tx) -> Result<std::string> {
    const PodRow* row = tx.FindPod(ns, incarnation);
    if (row == nullptr) return Fail(PodNotFound(std::to_string(incarnation.value)));
    return std::string(BindingOf(row->session_token));
  });
}

Result<PodPage> MemoryStore::ListPods(const std::string& ns, bool include_ended, Incarnation after,
                                      uint32_t limit) {
  return Read<PodPage>([&](Transaction& tx) -> Result<PodPage> {
    PodPage page;
    NamespaceRow* space = tx.FindNamespace(ns);
    if (space == nullptr) return page;
    for (auto it = space->pods.upper_bound(after); it != space->pods.end(); ++it) {
      const Pod& pod = it->second.pod;
      if (!include_ended && !pod.living()) continue;
      page.more = page.pods.size() == limit;
      if (page.more) break;
      page.pods.push_back(pod);
    }
    return page;
  });
}

Result<PodSnapshot> MemoryStore::Snapshot(const std::string& ns) {
  return Read<PodSnapshot>([&](Transaction& tx) -> Result<PodSnapshot> {
    PodSnapshot snapshot;
    NamespaceRow* space = tx.FindNamespace(ns);
    if (space == nullptr) return snapshot;
    for (const auto& [incarnation, row] : space->pods) {
      if (row.pod.living()) snapshot.pods.push_back(row.pod);
    }
    snapshot.oldest = space->oldest;
    snapshot.head = HeadOf(space);
    return snapshot;
  });
}

}  // namespace vigil::memory
