#include "rpc/convert.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <type_traits>
#include <utility>

#include "core/cursor.h"
#include "core/errors.h"
#include "core/validate.h"
#include "rpc/convert_times.h"

namespace vigil {
namespace {

using std::chrono::seconds;

template <typename... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};
template <typename... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;

v1::PodState ToProto(PodState state) {
  switch (state) {
    case PodState::kAlive:
      return v1::POD_STATE_ALIVE;
    case PodState::kSuspect:
      return v1::POD_STATE_SUSPECT;
    case PodState::kDead:
      return v1::POD_STATE_DEAD;
    case PodState::kLeft:
      return v1::POD_STATE_LEFT;
  }
  return v1::POD_STATE_UNSPECIFIED;
}

v1::Evidence ToProto(Evidence evidence) {
  switch (evidence) {
    case Evidence::kNone:
      return v1::EVIDENCE_UNSPECIFIED;
    case Evidence::kCertain:
      return v1::EVIDENCE_CERTAIN;
    case Evidence::kStrong:
      return v1::EVIDENCE_STRONG;
    case Evidence::kWeak:
      return v1::EVIDENCE_WEAK;
  }
  return v1::EVIDENCE_UNSPECIFIED;
}

v1::EventKind ToProto(EventKind kind) {
  switch (kind) {
    case EventKind::kPodRegistered:
      return v1::EVENT_KIND_POD_REGISTERED;
    case EventKind::kPodSuspected:
      return v1::EVENT_KIND_POD_SUSPECTED;
    case EventKind::kPodRefuted:
      return v1::EVENT_KIND_POD_REFUTED;
    case EventKind::kPodMoved:
      return v1::EVENT_KIND_POD_MOVED;
    case EventKind::kPodDied:
      return v1::EVENT_KIND_POD_DIED;
    case EventKind::kPodLeft:
      return v1::EVENT_KIND_POD_LEFT;
    case EventKind::kWorkClaimed:
      return v1::EVENT_KIND_WORK_CLAIMED;
    case EventKind::kWorkReleased:
      return v1::EVENT_KIND_WORK_RELEASED;
    case EventKind::kWorkCompleted:
      return v1::EVENT_KIND_WORK_COMPLETED;
    case EventKind::kWorkQuarantined:
      return v1::EVENT_KIND_WORK_QUARANTINED;
  }
  return v1::EVENT_KIND_UNSPECIFIED;
}

v1::EndReason ToProto(EndReason reason) {
  switch (reason) {
    case EndReason::kExpired:
      return v1::END_REASON_EXPIRED;
    case EndReason::kLagged:
      return v1::END_REASON_LAGGED;
    case EndReason::kDraining:
      return v1::END_REASON_DRAINING;
  }
  return v1::END_REASON_UNSPECIFIED;
}

void Set(v1::LeaseTerms* to, const LeaseTerms& terms) {
  vigil::Set(to->mutable_lease(), terms.lease);
  vigil::Set(to->mutable_heartbeat_interval(), terms.heartbeat_interval);
  vigil::Set(to->mutable_stop_margin(), terms.stop_margin);
}

void Set(v1::Event* to, const Event& event) {
  to->set_seq(event.seq.value);
  to->set_kind(ToProto(event.kind));
  to->set_pod_name(event.pod_name);
  to->set_incarnation(event.incarnation.value);
  to->set_cause(ToProto(event.cause));
  to->set_orphans(event.orphans);
  to->set_work_key(event.work_key);
  to->set_fence(event.fence.value);
  to->set_previous_owner(event.previous_owner.value);
  Set(to->mutable_occurred_at(), event.occurred_at);
  to->set_evidence(ToProto(EvidenceOf(event.cause)));
  if (event.detected_at) Set(to->mutable_detected_at(), event.detected_at);
  to->mutable_pod_labels()->insert(event.pod_labels.begin(), event.pod_labels.end());
}

// --- From the contract

Result<Profile> ReadProfile(v1::Profile profile) {
  switch (profile) {
    case v1::PROFILE_UNSPECIFIED:
    case v1::PROFILE_STRICT:
      return Profile::kStrict;
    case v1::PROFILE_FAST:
      return Profile::kFast;
    default:
      return Fail(InvalidField("profile", "must be STRICT or FAST"));
  }
}

Result<PodMessage> ReadRegister(const v1::Register& request) {
  RegisterMessage message{.ns = request.namespace_(),
                          .name = request.name(),
                          .registration_id = request.registration_id(),
                          .labels = {request.labels().begin(), request.labels().end()},
                          .supersede_key = request.supersede_key()};
  const auto profile = ReadProfile(request.profile());
  if (!profile) return Fail(profile.error());
  message.profile = *profile;
  if (request.has_lease()) {
    const auto lease = Read(request.lease(), "lease", seconds(60));
    if (!lease) return Fail(lease.error());
    message.lease = *lease;
  }
  const auto wait = Read(request.wait_for_name(), "wait_for_name", seconds(300));
  if (!wait) return Fail(wait.error());
  message.wait_for_name = *wait;
  Result<void> checked = CheckNamespace(message.ns)
                             .and_then([&] { return CheckPodName(message.name); })
                             .and_then([&] { return CheckRegistrationId(message.registration_id); })
                             .and_then([&] { return CheckLabels(message.labels); });
  if (checked && message.lease) checked = CheckLease(*message.lease);
  if (checked && !message.supersede_key.empty()) {
    checked = CheckSupersedeKey(message.supersede_key);
  }
  if (!checked) return Fail(checked.error());
  return message;
}

Result<PodMessage> ReadResume(const v1::Resume& request) {
  const auto checked =
      CheckNamespace(request.namespace_())
          .and_then([&] { return CheckIncarnation("incarnation", request.incarnation()); })
          .and_then([&] { return CheckSessionToken(request.session_token()); });
  if (!checked) return Fail(checked.error());
  return ResumeMessage{request.namespace_(), {request.incarnation()}, request.session_token()};
}

Result<SubscriptionStart> ReadStart(const v1::SubscribeRequest& request) {
  switch (request.start_case()) {
    case v1::SubscribeRequest::kAfterCursor: {
      auto cursor = ParseCursor(request.after_cursor(), request.namespace_());
      if (!cursor) return Fail(std::move(cursor.error()));
      return std::move(*cursor);
    }
    case v1::SubscribeRequest::kFromOldest:
      return FromOldest{};
    case v1::SubscribeRequest::kFromNow:
      return FromNow{};
    case v1::SubscribeRequest::START_NOT_SET:
      break;
  }
  return Fail(InvalidField("start", "must be one of after_cursor, from_oldest and from_now"));
}

Result<EventFilter> ReadFilter(const v1::EventFilter& from) {
  EventFilter filter;
  for (const int kind : from.kinds()) {
    const auto known = std::ranges::find_if(
        kAllEventKinds, [&](EventKind one) { return static_cast<int>(ToProto(one)) == kind; });
    if (known == std::end(kAllEventKinds)) {
      return Fail(InvalidField("filter.kinds", "must be kinds that this coordinator knows"));
    }
    filter.kinds.insert(*known);
  }
  filter.pod_labels.insert(from.pod_labels().begin(), from.pod_labels().end());
  if (const auto checked = CheckFilter(filter); !checked) return Fail(checked.error());
  return filter;
}

}  // namespace

v1::Cause ToProto(Cause cause) {
  switch (cause) {
    case Cause::kNone:
      return v1::CAUSE_UNSPECIFIED;
    case Cause::kLeft:
      return v1::CAUSE_LEFT;
    case Cause::kStreamEnded:
      return v1::CAUSE_STREAM_ENDED;
    case Cause::kHeartbeatsStopped:
      return v1::CAUSE_HEARTBEATS_STOPPED;
    case Cause::kLockFree:
      return v1::CAUSE_LOCK_FREE;
    case Cause::kProcessExited:
      return v1::CAUSE_PROCESS_EXITED;
    case Cause::kSuperseded:
      return v1::CAUSE_SUPERSEDED;
  }
  return v1::CAUSE_UNSPECIFIED;
}

v1::Pod ToProto(const Pod& pod) {
  v1::Pod to;
  to.set_namespace_(pod.ns);
  to.set_name(pod.name);
  to.set_incarnation(pod.incarnation.value);
  to.set_state(ToProto(pod.state));
  to.set_profile(pod.profile == Profile::kFast ? v1::PROFILE_FAST : v1::PROFILE_STRICT);
  Set(to.mutable_lease(), pod.lease);
  to.mutable_labels()->insert(pod.labels.begin(), pod.labels.end());
  to.set_coordinator(pod.coordinator.value);
  to.set_session(pod.session.value);
  to.set_cause(ToProto(pod.cause));
  Set(to.mutable_registered_at(), pod.registered_at);
  if (pod.ended_at) Set(to.mutable_ended_at(), pod.ended_at);
  return to;
}

v1::SessionResponse ToProto(const HostMessage& message) {
  v1::SessionResponse response;
  std::visit(Overloaded{
                 [&](const WaitingAnswer& waiting) {
                   response.mutable_waiting()->set_incarnation(waiting.incumbent.value);
                 },
                 [&](const RegisteredAnswer& answer) {
                   auto* to = response.mutable_registered();
                   *to->mutable_pod() = ToProto(answer.pod);
                   to->set_session_token(answer.session_token);
                   Set(to->mutable_terms(), answer.terms);
                   for (const auto& item : answer.predecessors_work) {
                     *to->add_predecessors_work() = ToProto(item);
                   }
                 },
                 [&](const ResumedAnswer& answer) {
                   auto* to = response.mutable_resumed();
                   *to->mutable_pod() = ToProto(answer.pod);
                   Set(to->mutable_terms(), answer.terms);
                 },
                 [&](const HeartbeatAnswer& answer) {
                   auto* to = response.mutable_heartbeat();
                   to->set_number(answer.number);
                   to->set_lease_granted(answer.lease_granted);
                   to->set_link_degraded(answer.link_degraded);
                 },
                 [&](const LeftAnswer&) { response.mutable_left(); },
                 [&](const DrainingNotice&) { response.mutable_draining(); },
             },
             message);
  return response;
}

v1::SubscribeResponse ToProto(const SnapshotPart& part) {
  v1::SubscribeResponse response;
  auto* to = response.mutable_snapshot();
  for (const auto& pod : part.pods) *to->add_pods() = ToProto(pod);
  if (part.cursor) to->set_cursor(FormatCursor(*part.cursor));
  return response;
}

v1::SubscribeResponse ToProto(const Delivery& delivery) {
  v1::SubscribeResponse response;
  auto* to = response.mutable_events();
  for (const auto& event : delivery.events()) Set(to->add_events(), event);
  to->set_cursor(FormatCursor(delivery.cursor()));
  return response;
}

v1::SubscribeResponse ToProto(const SubscriberMessage& message) {
  v1::SubscribeResponse response;
  std::visit(Overloaded{
                 [&](const DeliveredPods& pods) { response = ToProto(*pods); },
                 [&](const DeliveredEvents& events) { response = ToProto(*events); },
                 [&](const PositionNotice& notice) {
                   auto* to = response.mutable_position();
                   to->set_cursor(FormatCursor(notice.cursor));
                   to->set_oldest(notice.oldest.value);
                   to->set_seq(notice.cursor.position.seq.value);
                   to->set_head(notice.head.value);
                   Set(to->mutable_read_age(), notice.read_age);
                 },
                 [&](const EndNotice& notice) {
                   auto* to = response.mutable_end();
                   to->set_reason(ToProto(notice.reason));
                   if (notice.cursor) to->set_cursor(FormatCursor(*notice.cursor));
                   to->set_oldest(notice.oldest.value);
                   to->set_head(notice.head.value);
                 },
             },
             message);
  return response;
}

Result<PodMessage> FromProto(const v1::SessionRequest& request) {
  switch (request.message_case()) {
    case v1::SessionRequest::kRegister:
      return ReadRegister(request.register_());
    case v1::SessionRequest::kResume:
      return ReadResume(request.resume());
    case v1::SessionRequest::kHeartbeat:
      return HeartbeatMessage{request.heartbeat().number()};
    case v1::SessionRequest::kLeave:
      return LeaveMessage{};
    case v1::SessionRequest::kDetach:
      return DetachMessage{};
    case v1::SessionRequest::MESSAGE_NOT_SET:
      break;
  }
  return Fail(
      ProtocolViolation("the message is empty, or of a kind that this coordinator does not know"));
}

Result<SubscriptionRequest> FromProto(const v1::SubscribeRequest& request) {
  if (const auto checked = CheckNamespace(request.namespace_()); !checked) {
    return Fail(checked.error());
  }
  auto start = ReadStart(request);
  if (!start) return Fail(std::move(start.error()));
  auto filter = ReadFilter(request.filter());
  if (!filter) return Fail(std::move(filter.error()));
  return SubscriptionRequest{request.namespace_(), std::move(*start), std::move(*filter)};
}

}  // namespace vigil
