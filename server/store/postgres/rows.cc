#include "store/postgres/rows.h"

#include <array>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "core/errors.h"

namespace vigil {
namespace {

// The constraints of the schema admit no other name.
template <typename E, size_t n>
E ByName(const std::array<E, n>& values, const std::string& name) {
  for (const E value : values) {
    if (Name(value) == name) return value;
  }
  VIGIL_CHECK(!"a name that the schema admits and this program does not know");
  return values[0];
}

constexpr std::array kPodStates{PodState::kAlive, PodState::kSuspect, PodState::kDead,
                                PodState::kLeft};
constexpr std::array kCauses{
    Cause::kNone,     Cause::kLeft,          Cause::kStreamEnded, Cause::kHeartbeatsStopped,
    Cause::kLockFree, Cause::kProcessExited, Cause::kSuperseded};
constexpr std::array kEventKinds{EventKind::kPodRegistered, EventKind::kPodSuspected,
                                 EventKind::kPodRefuted,    EventKind::kPodMoved,
                                 EventKind::kPodDied,       EventKind::kPodLeft,
                                 EventKind::kWorkClaimed,   EventKind::kWorkReleased,
                                 EventKind::kWorkCompleted, EventKind::kWorkQuarantined};
constexpr std::array kPolicies{RecoveryPolicy::kCompete, RecoveryPolicy::kAssign,
                               RecoveryPolicy::kSticky};

WorkState WorkStateFrom(const std::string& name) {
  if (name == "OWNED") return WorkState::kOwned;
  if (name == "RELEASED") return WorkState::kReleased;
  if (name == "QUARANTINED") return WorkState::kQuarantined;
  VIGIL_CHECK(name == "COMPLETED");
  return WorkState::kCompleted;
}

WallMicros TimeFrom(pg::Row& row) { return WallMicros{static_cast<uint64_t>(row.Micros())}; }

// The statements wrote it.
std::vector<FormerOwner> FormerOwnersFrom(const std::string& json) {
  std::vector<FormerOwner> owners;
  if (json == "[]") return owners;
  for (const auto& entry : nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false)) {
    owners.push_back({.incarnation = {entry.value("incarnation", uint64_t{0})},
                      .name = entry.value("name", ""),
                      .fence = {entry.value("fence", uint64_t{0})},
                      .cause = CauseFrom(entry.value("cause", "NONE")),
                      .reason = entry.value("reason", ""),
                      .at = {entry.value("at", uint64_t{0})}});
  }
  return owners;
}

}  // namespace

#define VIGIL_LOCK_PODS                              \
  "SELECT incarnation FROM vigil.pods"               \
  " WHERE namespace = $1 AND incarnation = ANY ($2)" \
  " ORDER BY incarnation "

const pg::Statement kLockPodsToEnd{"lock_pods_to_end", VIGIL_LOCK_PODS "FOR UPDATE"};

const pg::Statement kLockPodsToKeep{"lock_pods_to_keep", VIGIL_LOCK_PODS "FOR NO KEY UPDATE"};

const pg::Statement kWake{"wake",
                          "SELECT set_config('synchronous_commit', 'off', true),"
                          "       pg_notify('vigil_log', head || ' ' || name)"
                          "  FROM vigil.namespaces WHERE name = $1"};

PodState PodStateFrom(const std::string& name) { return ByName(kPodStates, name); }

Cause CauseFrom(const std::string& name) { return ByName(kCauses, name); }

Profile ProfileFrom(const std::string& name) {
  if (name == "FAST") return Profile::kFast;
  VIGIL_CHECK(name == "STRICT");
  return Profile::kStrict;
}

std::string_view Name(RecoveryPolicy policy) {
  switch (policy) {
    case RecoveryPolicy::kCompete:
      return "COMPETE";
    case RecoveryPolicy::kAssign:
      return "ASSIGN";
    case RecoveryPolicy::kSticky:
      return "STICKY";
  }
  return "";
}

std::string_view NameOf(Profile profile) { return profile == Profile::kFast ? "FAST" : "STRICT"; }

Pod PodFrom(pg::Row& row) {
  Pod pod;
  pod.ns = row.Text();
  pod.name = row.Text();
  pod.incarnation = row.As<Incarnation>();
  pod.state = PodStateFrom(row.Text());
  pod.profile = ProfileFrom(row.Text());
  pod.lease = row.Interval();
  pod.labels = LabelsFrom(row.Text());
  pod.coordinator = row.As<CoordinatorNumber>();
  pod.session = row.As<SessionNumber>();
  pod.cause = CauseFrom(row.Text());
  pod.registered_at = TimeFrom(row);
  pod.ended_at = TimeFrom(row);
  return pod;
}

WorkItem WorkFrom(pg::Row& row) {
  WorkItem item;
  item.ns = row.Text();
  item.key = row.Text();
  item.state = WorkStateFrom(row.Text());
  item.owner = row.As<Incarnation>();
  item.owner_name = row.Text();
  item.orphan = row.Bool();
  item.fence = row.As<Fence>();
  item.payload = row.Bytes();
  item.checkpoint = row.Bytes();
  item.result = row.Bytes();
  item.started_at = TimeFrom(row);
  item.updated_at = TimeFrom(row);
  item.traits.kind = row.Text();
  item.traits.labels = LabelsFrom(row.Text());
  item.traits.policy = ByName(kPolicies, row.Text());
  item.traits.selector = LabelsFrom(row.Text());
  item.traits.sticky_wait = row.Interval();
  item.traits.max_adoptions = static_cast<uint32_t>(row.Bigint());
  item.adoptions = static_cast<uint32_t>(row.Bigint());
  item.former_owners = FormerOwnersFrom(row.Text());
  return item;
}

Event EventFrom(pg::Row& row) {
  Event event;
  event.seq = row.As<Seq>();
  event.transaction_end = row.As<Seq>();
  event.mark = row.As<Mark>();
  event.kind = ByName(kEventKinds, row.Text());
  event.pod_name = row.Text();
  event.incarnation = row.As<Incarnation>();
  event.cause = CauseFrom(row.Text());
  event.orphans = static_cast<uint32_t>(row.Bigint());
  event.work_key = row.Text();
  event.fence = row.As<Fence>();
  event.previous_owner = row.As<Incarnation>();
  event.occurred_at = TimeFrom(row);
  event.detected_at = TimeFrom(row);
  event.pod_labels = LabelsFrom(row.Text());
  return event;
}

Position PositionFrom(pg::Row& row) {
  const auto seq = row.As<Seq>();
  return {seq, row.As<Mark>()};
}

HostedArrays::HostedArrays(const std::vector<HostedPod>& pods) {
  for (const HostedPod& pod : pods) {
    incarnations.push_back(static_cast<int64_t>(pod.incarnation.value));
    sessions.push_back(static_cast<int64_t>(pod.session.value));
  }
}

std::vector<HostedPod> HostedFrom(const pg::Rows& rows) {
  std::vector<HostedPod> pods;
  for (pg::Row row : rows) {
    const auto incarnation = row.As<Incarnation>();
    pods.push_back({incarnation, row.As<SessionNumber>()});
  }
  return pods;
}

std::string JsonFrom(const std::map<std::string, std::string>& labels) {
  // Text that is no UTF-8 is replaced here: the alternative is an exception.
  return nlohmann::json(labels).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::map<std::string, std::string> LabelsFrom(const std::string& json) {
  std::map<std::string, std::string> labels;
  if (json == "{}") return labels;
  const auto parsed = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  for (const auto& [key, value] : parsed.items()) {
    if (value.is_string()) labels.emplace(key, value.get_ref<const std::string&>());
  }
  return labels;
}

}  // namespace vigil
