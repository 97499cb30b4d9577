#include "client/scripted_coordinator.h"

#include <algorithm>
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace vigil::client {

grpc::Status Refusal(grpc::StatusCode code, v1::ErrorReason reason, const std::string& message,
                     std::map<std::string, std::string> metadata) {
  google::rpc::ErrorInfo info;
  info.set_domain("vigil");
  const std::string name = v1::ErrorReason_Name(reason);  // empty for one that is not known yet
  info.set_reason(name.empty() ? "FROM_THE_FUTURE"
                               : name.substr(std::string("ERROR_REASON_").size()));
  metadata.emplace("hint", "do something else");
  info.mutable_metadata()->insert(metadata.begin(), metadata.end());
  google::rpc::Status details;
  details.set_code(code);
  details.set_message(message);
  details.add_details()->PackFrom(info);
  return {code, message, details.SerializeAsString()};
}

Cluster::Cluster() {
  terms.mutable_lease()->set_seconds(2);
  terms.mutable_lease()->set_nanos(400'000'000);
  terms.mutable_heartbeat_interval()->set_nanos(800'000'000);
  terms.mutable_stop_margin()->set_nanos(400'000'000);
}

v1::Pod Cluster::Register(const v1::Register& request, std::uint64_t coordinator) {
  std::lock_guard lock(mutex_);
  std::uint64_t& incarnation = registrations_[request.registration_id()];
  if (incarnation == 0) {
    incarnation = ++last_incarnation_;
    v1::Pod& pod = pods_[incarnation];
    pod.set_namespace_(request.namespace_());
    pod.set_name(request.name());
    pod.set_incarnation(incarnation);
    pod.set_state(v1::POD_STATE_ALIVE);
    pod.set_profile(request.profile() == v1::PROFILE_UNSPECIFIED ? v1::PROFILE_STRICT
                                                                 : request.profile());
    *pod.mutable_lease() = terms.lease();
    *pod.mutable_labels() = request.labels();
    supersede_key_ = request.supersede_key();
    v1::Event event;
    event.set_kind(v1::EVENT_KIND_POD_REGISTERED);
    event.set_pod_name(request.name());
    event.set_incarnation(incarnation);
    AppendLocked(event);
  }
  v1::Pod& pod = pods_[incarnation];
  pod.set_coordinator(coordinator);
  pod.set_session(++last_session_);
  changed_.notify_all();
  return pod;
}

std::optional<v1::Pod> Cluster::Resume(const v1::Resume& request, std::uint64_t coordinator) {
  std::lock_guard lock(mutex_);
  if (!Lives(request.incarnation())) return std::nullopt;
  v1::Pod& pod = pods_[request.incarnation()];
  pod.set_coordinator(coordinator);
  pod.set_session(++last_session_);
  changed_.notify_all();
  return pod;
}

void Cluster::End(std::uint64_t incarnation, v1::PodState state) {
  std::lock_guard lock(mutex_);
  if (!Lives(incarnation)) return;
  v1::Pod& pod = pods_[incarnation];
  pod.set_state(state);
  pod.set_cause(state == v1::POD_STATE_LEFT ? v1::CAUSE_LEFT : v1::CAUSE_STREAM_ENDED);
  v1::Event event;
  event.set_kind(state == v1::POD_STATE_LEFT ? v1::EVENT_KIND_POD_LEFT : v1::EVENT_KIND_POD_DIED);
  event.set_pod_name(pod.name());
  event.set_incarnation(incarnation);
  event.set_cause(pod.cause());
  for (const auto& [key, item] : items_) {
    if (item.state() == v1::WORK_STATE_OWNED && item.owner() == incarnation)
      event.set_orphans(event.orphans() + 1);
  }
  AppendLocked(event);
}

std::optional<v1::Pod> Cluster::Find(std::uint64_t incarnation) const {
  std::lock_guard lock(mutex_);
  const auto found = pods_.find(incarnation);
  return found == pods_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<v1::Pod> Cluster::FindByName(const std::string& name) const {
  std::lock_guard lock(mutex_);
  std::optional<v1::Pod> last;
  for (const auto& [incarnation, pod] : pods_) {
    if (pod.name() == name) last = pod;
  }
  return last;
}

std::string Cluster::supersede_key() const {
  std::lock_guard lock(mutex_);
  return supersede_key_;
}

std::vector<v1::Pod> Cluster::LivingPods() const {
  std::lock_guard lock(mutex_);
  std::vector<v1::Pod> living;
  for (const auto& [incarnation, pod] : pods_) {
    if (Lives(incarnation)) living.push_back(pod);
  }
  return living;
}

bool Cluster::Lives(std::uint64_t incarnation) const {
  const auto found = pods_.find(incarnation);
  return found != pods_.end() && found->second.state() == v1::POD_STATE_ALIVE;
}

void Cluster::FillIn(v1::WorkItem& item) const {
  item.clear_owner_name();
  if (item.owner() != 0) item.set_owner_name(pods_.at(item.owner()).name());
  item.set_orphan(item.state() == v1::WORK_STATE_OWNED && !Lives(item.owner()));
}

grpc::Status Cluster::Start(const v1::StartWorkRequest& request, v1::StartWorkResponse& response) {
  std::lock_guard lock(mutex_);
  if (!Lives(request.incarnation())) {
    return Refusal(grpc::StatusCode::FAILED_PRECONDITION, v1::ERROR_REASON_INCARNATION_ENDED,
                   "ended");
  }
  v1::WorkItem& item = items_[request.key()];
  if (item.fence() == 0 || item.state() == v1::WORK_STATE_RELEASED) {
    if (item.fence() == 0) {
      item.set_payload(request.payload());
      item.set_kind(request.kind());
      *item.mutable_labels() = request.labels();
      item.set_policy(request.policy());
      *item.mutable_selector() = request.selector();
      if (request.has_sticky_wait()) *item.mutable_sticky_wait() = request.sticky_wait();
      item.set_max_adoptions(request.max_adoptions());
    }
    item.set_namespace_(request.namespace_());
    item.set_key(request.key());
    item.set_state(v1::WORK_STATE_OWNED);
    item.set_owner(request.incarnation());
    item.set_fence(item.fence() + 1);
  }
  FillIn(item);
  *response.mutable_item() = item;
  response.set_outcome(item.state() == v1::WORK_STATE_COMPLETED ? v1::START_OUTCOME_COMPLETED
                       : item.owner() == request.incarnation()  ? v1::START_OUTCOME_STARTED
                       : item.orphan()                          ? v1::START_OUTCOME_ORPHANED
                                                                : v1::START_OUTCOME_OWNED);
  changed_.notify_all();
  return grpc::Status::OK;
}

grpc::Status Cluster::Claim(const v1::ClaimWorkRequest& request, v1::ClaimWorkResponse& response) {
  std::lock_guard lock(mutex_);
  v1::WorkItem& item = items_[request.key()];
  const std::uint64_t owner = item.state() == v1::WORK_STATE_OWNED ? item.owner() : 0;
  if (owner == request.incarnation() && item.fence() == request.expected_fence() + 1) {
    response.set_outcome(v1::CLAIM_OUTCOME_CLAIMED);
  } else if (owner != request.expected_owner() || item.fence() != request.expected_fence()) {
    response.set_outcome(v1::CLAIM_OUTCOME_LOST);
  } else if (Lives(owner)) {
    return Refusal(grpc::StatusCode::FAILED_PRECONDITION, v1::ERROR_REASON_OWNER_ALIVE,
                   "its owner lives");
  } else {
    GiveLocked(item, request.incarnation());
    response.set_outcome(v1::CLAIM_OUTCOME_CLAIMED);
  }
  FillIn(item);
  *response.mutable_item() = item;
  changed_.notify_all();
  return grpc::Status::OK;
}

grpc::Status Cluster::RefuseUnlessHeld(const std::string& key, std::uint64_t incarnation,
                                       std::uint64_t fence) const {
  const auto found = items_.find(key);
  const v1::WorkItem item = found == items_.end() ? v1::WorkItem() : found->second;
  if (item.owner() == incarnation && item.fence() == fence) return grpc::Status::OK;
  return Refusal(
      grpc::StatusCode::FAILED_PRECONDITION, v1::ERROR_REASON_FENCED, "the fence is stale",
      {{"owner", std::to_string(item.owner())}, {"fence", std::to_string(item.fence())}});
}

grpc::Status Cluster::Complete(const v1::CompleteWorkRequest& request,
                               v1::CompleteWorkResponse& response) {
  std::lock_guard lock(mutex_);
  auto held = RefuseUnlessHeld(request.key(), request.incarnation(), request.fence());
  if (!held.ok()) return held;
  v1::WorkItem& item = items_[request.key()];
  item.set_state(v1::WORK_STATE_COMPLETED);
  item.set_result(request.result());
  v1::Event event;
  event.set_kind(v1::EVENT_KIND_WORK_COMPLETED);
  event.set_incarnation(request.incarnation());
  event.set_work_key(request.key());
  event.set_fence(item.fence());
  AppendLocked(event);
  *response.mutable_item() = item;
  return grpc::Status::OK;
}

grpc::Status Cluster::Release(const v1::ReleaseWorkRequest& request,
                              v1::ReleaseWorkResponse& response) {
  std::lock_guard lock(mutex_);
  v1::WorkItem& item = items_[request.key()];
  item.set_state(v1::WORK_STATE_RELEASED);
  item.set_owner(0);
  v1::Event event;
  event.set_kind(v1::EVENT_KIND_WORK_RELEASED);
  event.set_incarnation(request.incarnation());
  event.set_work_key(request.key());
  event.set_fence(item.fence());
  AppendLocked(event);
  *response.mutable_item() = item;
  return grpc::Status::OK;
}

grpc::Status Cluster::Fail(const v1::FailWorkRequest& request, v1::FailWorkResponse& response) {
  std::lock_guard lock(mutex_);
  auto held = RefuseUnlessHeld(request.key(), request.incarnation(), request.fence());
  if (!held.ok()) return held;
  v1::WorkItem& item = items_[request.key()];
  v1::FormerOwner& former = *item.add_former_owners();
  former.set_incarnation(item.owner());
  former.set_name(pods_.at(item.owner()).name());
  former.set_fence(item.fence());
  former.set_reason(request.reason());
  const bool too_often = item.max_adoptions() != 0 && item.adoptions() >= item.max_adoptions();
  if (!too_often) item.set_adoptions(item.adoptions() + 1);
  item.set_state(too_often ? v1::WORK_STATE_QUARANTINED : v1::WORK_STATE_RELEASED);
  item.set_owner(0);
  FillIn(item);
  v1::Event event;
  event.set_kind(too_often ? v1::EVENT_KIND_WORK_QUARANTINED : v1::EVENT_KIND_WORK_RELEASED);
  event.set_incarnation(request.incarnation());
  event.set_work_key(request.key());
  event.set_fence(item.fence());
  AppendLocked(event);
  *response.mutable_item() = item;
  return grpc::Status::OK;
}

grpc::Status Cluster::Transfer(const v1::TransferWorkRequest& request,
                               v1::TransferWorkResponse& response) {
  std::lock_guard lock(mutex_);
  auto held = RefuseUnlessHeld(request.key(), request.incarnation(), request.fence());
  if (!held.ok()) return held;
  const auto taker = FindByName(request.to_name());
  if (!taker || !Lives(taker->incarnation())) {
    return Refusal(grpc::StatusCode::NOT_FOUND, v1::ERROR_REASON_POD_NOT_FOUND, "no such pod");
  }
  v1::WorkItem& item = items_[request.key()];
  item.set_owner(taker->incarnation());
  item.set_fence(item.fence() + 1);
  FillIn(item);
  v1::Event event;
  event.set_kind(v1::EVENT_KIND_WORK_CLAIMED);
  event.set_incarnation(taker->incarnation());
  event.set_pod_name(taker->name());
  event.set_work_key(request.key());
  event.set_fence(item.fence());
  event.set_previous_owner(request.incarnation());
  AppendLocked(event);
  *response.mutable_item() = item;
  return grpc::Status::OK;
}

grpc::Status Cluster::ReleaseQuarantined(const v1::ReleaseQuarantinedWorkRequest& request,
                                         v1::ReleaseQuarantinedWorkResponse& response) {
  std::lock_guard lock(mutex_);
  auto held = RefuseUnlessHeld(request.key(), 0, request.fence());
  if (!held.ok()) return held;
  v1::WorkItem& item = items_[request.key()];
  item.set_state(v1::WORK_STATE_RELEASED);
  item.set_adoptions(0);
  v1::Event event;
  event.set_kind(v1::EVENT_KIND_WORK_RELEASED);
  event.set_work_key(request.key());
  event.set_fence(item.fence());
  AppendLocked(event);
  *response.mutable_item() = item;
  return grpc::Status::OK;
}

grpc::Status Cluster::Get(const v1::GetWorkRequest& request, v1::GetWorkResponse& response) {
  std::lock_guard lock(mutex_);
  const auto item = FindItem(request.key());
  if (!item) {
    return Refusal(grpc::StatusCode::NOT_FOUND, v1::ERROR_REASON_WORK_NOT_FOUND, "no such item");
  }
  *response.mutable_item() = *item;
  return grpc::Status::OK;
}

grpc::Status Cluster::List(const v1::ListWorkRequest& request, v1::ListWorkResponse& response) {
  std::lock_guard lock(mutex_);
  for (const auto& [key, item] : items_) {
    const bool of_a_kind = std::ranges::find(request.kinds(), item.kind()) != request.kinds().end();
    if (!request.kinds().empty() && !of_a_kind) continue;
    if (request.quarantined_only() && item.state() != v1::WORK_STATE_QUARANTINED) continue;
    const bool labelled = std::ranges::all_of(request.labels(), [&](const auto& label) {
      const auto found = item.labels().find(label.first);
      return found != item.labels().end() && found->second == label.second;
    });
    if (labelled) *response.add_items() = item;
  }
  return grpc::Status::OK;
}

std::optional<v1::WorkItem> Cluster::FindItem(const std::string& key) const {
  std::lock_guard lock(mutex_);
  const auto found = items_.find(key);
  return found == items_.end() ? std::nullopt : std::optional(found->second);
}

void Cluster::Append(v1::Event event) {
  std::lock_guard lock(mutex_);
  AppendLocked(std::move(event));
}

void Cluster::AppendLocked(v1::Event event) {
  event.set_seq(log_.size() + 1);
  log_.push_back(std::move(event));
  changed_.notify_all();
}

std::uint64_t Cluster::head() const {
  std::lock_guard lock(mutex_);
  return log_.size();
}

std::vector<v1::Event> Cluster::EventsAfter(std::uint64_t seq, Duration wait) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, wait, [&] { return log_.size() > seq; });
  if (log_.size() <= seq) return {};
  return {log_.begin() + static_cast<std::ptrdiff_t>(seq), log_.end()};
}

bool Cluster::Await(const std::function<bool()>& holds) const {
  std::unique_lock lock(mutex_);
  const Time deadline = BootClock::now() + std::chrono::seconds(10);
  while (!holds()) {
    if (BootClock::now() >= deadline) return false;
    changed_.wait_for(lock, std::chrono::milliseconds(20));
  }
  return true;
}

void Cluster::Changed() const { changed_.notify_all(); }

}  // namespace vigil::client
