// What the made-up cluster knows of work beside starts and claims.
#include <algorithm>

#include "client/scripted_coordinator.h"

namespace vigil::client {

void Cluster::GiveLocked(v1::WorkItem& item, std::uint64_t incarnation) {
  v1::Event event;
  event.set_kind(v1::EVENT_KIND_WORK_CLAIMED);
  event.set_previous_owner(item.state() == v1::WORK_STATE_OWNED ? item.owner() : 0);
  item.set_state(v1::WORK_STATE_OWNED);
  item.set_owner(incarnation);
  item.set_fence(item.fence() + 1);
  FillIn(item);
  event.set_incarnation(incarnation);
  event.set_pod_name(pods_.at(incarnation).name());
  event.set_work_key(item.key());
  event.set_fence(item.fence());
  AppendLocked(event);
}

void Cluster::Assign(const std::string& key, std::uint64_t incarnation) {
  std::lock_guard lock(mutex_);
  GiveLocked(items_.at(key), incarnation);
}

grpc::Status Cluster::Checkpoint(const v1::CheckpointWorkRequest& request,
                                 v1::CheckpointWorkResponse& response) {
  std::lock_guard lock(mutex_);
  const auto held = RefuseUnlessHeld(request.key(), request.incarnation(), request.fence());
  if (!held.ok()) return held;
  v1::WorkItem& item = items_.at(request.key());
  item.set_checkpoint(request.checkpoint());
  *response.mutable_item() = item;
  changed_.notify_all();
  return grpc::Status::OK;
}

grpc::Status Cluster::ClaimOrphans(const v1::ClaimOrphansRequest& request,
                                   v1::ClaimOrphansResponse& response) {
  std::lock_guard lock(mutex_);
  if (pods_.contains(request.incarnation()) && !Lives(request.incarnation())) {
    return Refusal(grpc::StatusCode::FAILED_PRECONDITION, v1::ERROR_REASON_INCARNATION_ENDED,
                   "ended");
  }
  for (auto& [key, item] : items_) {
    if (response.items_size() == static_cast<int>(request.limit())) break;
    FillIn(item);
    const bool chosen = request.kinds().empty() ||
                        std::find(request.kinds().begin(), request.kinds().end(), item.kind()) !=
                            request.kinds().end();
    const bool free = item.orphan() || item.state() == v1::WORK_STATE_RELEASED;
    if (!chosen || !free || item.policy() == v1::RECOVERY_POLICY_ASSIGN) continue;
    GiveLocked(item, request.incarnation());
    *response.add_items() = item;
  }
  return grpc::Status::OK;
}

}  // namespace vigil::client
