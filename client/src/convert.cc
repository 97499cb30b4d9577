#include "convert.h"

#include <google/protobuf/timestamp.pb.h>

#include <algorithm>
#include <limits>
#include <optional>

namespace vigil::client {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

static_assert(static_cast<int>(PodState::kLeft) == v1::POD_STATE_LEFT);
static_assert(static_cast<int>(Profile::kFast) == v1::PROFILE_FAST);
static_assert(static_cast<int>(Cause::kSuperseded) == v1::CAUSE_SUPERSEDED);
static_assert(static_cast<int>(Evidence::kWeak) == v1::EVIDENCE_WEAK);
static_assert(static_cast<int>(WorkState::kQuarantined) == v1::WORK_STATE_QUARANTINED);
static_assert(static_cast<int>(RecoveryPolicy::kSticky) == v1::RECOVERY_POLICY_STICKY);
static_assert(static_cast<int>(EventKind::kWorkQuarantined) == v1::EVENT_KIND_WORK_QUARANTINED);

// A value from a newer coordinator reads as zero.
template <class To, class From>
To Enum(From value, From greatest) {
  return value <= greatest ? static_cast<To>(value) : To{};
}

std::optional<Timestamp> FromProto(bool present, const google::protobuf::Timestamp& time) {
  if (!present) return std::nullopt;
  return Timestamp(std::chrono::duration_cast<Timestamp::duration>(seconds(time.seconds()) +
                                                                   nanoseconds(time.nanos())));
}

WorkTraits TraitsOf(const v1::WorkItem& item) {
  return {.kind = item.kind(),
          .labels = {item.labels().begin(), item.labels().end()},
          .policy = Enum<RecoveryPolicy>(item.policy(), v1::RecoveryPolicy_MAX),
          .selector = {item.selector().begin(), item.selector().end()},
          .sticky_wait = vigil::client::FromProto(item.sticky_wait()),
          .max_adoptions = item.max_adoptions()};
}

}  // namespace

Pod FromProto(const v1::Pod& pod) {
  return {.ns = pod.namespace_(),
          .name = pod.name(),
          .incarnation = Incarnation(pod.incarnation()),
          .state = Enum<PodState>(pod.state(), v1::PodState_MAX),
          .profile = Enum<Profile>(pod.profile(), v1::Profile_MAX),
          .lease = FromProto(pod.lease()),
          .labels = {pod.labels().begin(), pod.labels().end()},
          .coordinator = CoordinatorNumber(pod.coordinator()),
          .session = SessionNumber(pod.session()),
          .cause = Enum<Cause>(pod.cause(), v1::Cause_MAX),
          .registered_at = FromProto(pod.has_registered_at(), pod.registered_at()),
          .ended_at = FromProto(pod.has_ended_at(), pod.ended_at())};
}

FormerOwner FromProto(const v1::FormerOwner& owner) {
  return {.incarnation = Incarnation(owner.incarnation()),
          .name = owner.name(),
          .fence = Fence(owner.fence()),
          .cause = Enum<Cause>(owner.cause(), v1::Cause_MAX),
          .reason = owner.reason(),
          .at = FromProto(owner.has_at(), owner.at())};
}

WorkItem FromProto(const v1::WorkItem& item) {
  return {.ns = item.namespace_(),
          .key = item.key(),
          .traits = TraitsOf(item),
          .state = Enum<WorkState>(item.state(), v1::WorkState_MAX),
          .owner = Incarnation(item.owner()),
          .owner_name = item.owner_name(),
          .orphan = item.orphan(),
          .fence = Fence(item.fence()),
          .payload = item.payload(),
          .checkpoint = item.checkpoint(),
          .result = item.result(),
          .adoptions = item.adoptions(),
          .former_owners = FromProtos<FormerOwner>(item.former_owners()),
          .started_at = FromProto(item.has_started_at(), item.started_at()),
          .updated_at = FromProto(item.has_updated_at(), item.updated_at())};
}

Event FromProto(const v1::Event& event) {
  return {.seq = Seq(event.seq()),
          .kind = Enum<EventKind>(event.kind(), v1::EventKind_MAX),
          .pod_name = event.pod_name(),
          .incarnation = Incarnation(event.incarnation()),
          .pod_labels = {event.pod_labels().begin(), event.pod_labels().end()},
          .cause = Enum<Cause>(event.cause(), v1::Cause_MAX),
          .evidence = Enum<Evidence>(event.evidence(), v1::Evidence_MAX),
          .detected_at = FromProto(event.has_detected_at(), event.detected_at()),
          .orphans = event.orphans(),
          .work_key = event.work_key(),
          .fence = Fence(event.fence()),
          .previous_owner = Incarnation(event.previous_owner()),
          .occurred_at = FromProto(event.has_occurred_at(), event.occurred_at())};
}

Duration FromProto(const google::protobuf::Duration& duration) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();  // 68 years
  return seconds(std::clamp(duration.seconds(), -kMost, kMost)) + nanoseconds(duration.nanos());
}

google::protobuf::Duration ToProto(Duration duration) {
  const auto whole = std::chrono::duration_cast<seconds>(duration);
  google::protobuf::Duration message;
  message.set_seconds(whole.count());
  message.set_nanos(static_cast<std::int32_t>((duration - whole).count()));
  return message;
}

v1::EventFilter ToProto(const EventFilter& filter) {
  v1::EventFilter message;
  for (const EventKind kind : filter.kinds) message.add_kinds(static_cast<v1::EventKind>(kind));
  message.mutable_pod_labels()->insert(filter.pod_labels.begin(), filter.pod_labels.end());
  return message;
}

v1::Profile ToProto(Profile profile) { return static_cast<v1::Profile>(profile); }

}  // namespace vigil::client
