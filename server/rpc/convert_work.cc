#include "rpc/convert.h"
#include "rpc/convert_times.h"

namespace vigil {
namespace {

v1::WorkState ToProto(WorkState state) {
  switch (state) {
    case WorkState::kOwned:
      return v1::WORK_STATE_OWNED;
    case WorkState::kReleased:
      return v1::WORK_STATE_RELEASED;
    case WorkState::kCompleted:
      return v1::WORK_STATE_COMPLETED;
    case WorkState::kQuarantined:
      return v1::WORK_STATE_QUARANTINED;
  }
  return v1::WORK_STATE_UNSPECIFIED;
}

v1::RecoveryPolicy ToProto(RecoveryPolicy policy) {
  switch (policy) {
    case RecoveryPolicy::kCompete:
      return v1::RECOVERY_POLICY_COMPETE;
    case RecoveryPolicy::kAssign:
      return v1::RECOVERY_POLICY_ASSIGN;
    case RecoveryPolicy::kSticky:
      return v1::RECOVERY_POLICY_STICKY;
  }
  return v1::RECOVERY_POLICY_UNSPECIFIED;
}

void Set(v1::FormerOwner* to, const FormerOwner& owner) {
  to->set_incarnation(owner.incarnation.value);
  to->set_name(owner.name);
  to->set_fence(owner.fence.value);
  to->set_cause(ToProto(owner.cause));
  to->set_reason(owner.reason);
  Set(to->mutable_at(), owner.at);
}

void Set(v1::WorkItem* to, const WorkTraits& traits) {
  to->set_kind(traits.kind);
  to->mutable_labels()->insert(traits.labels.begin(), traits.labels.end());
  to->set_policy(ToProto(traits.policy));
  to->mutable_selector()->insert(traits.selector.begin(), traits.selector.end());
  if (traits.policy == RecoveryPolicy::kSticky) {
    vigil::Set(to->mutable_sticky_wait(), traits.sticky_wait);
  }
  to->set_max_adoptions(traits.max_adoptions);
}

}  // namespace

v1::WorkItem ToProto(const WorkItem& item) {
  v1::WorkItem to;
  to.set_namespace_(item.ns);
  to.set_key(item.key);
  Set(&to, item.traits);
  to.set_state(ToProto(item.state));
  to.set_owner(item.owner.value);
  to.set_owner_name(item.owner_name);
  to.set_orphan(item.orphan);
  to.set_fence(item.fence.value);
  to.set_payload(item.payload);
  to.set_checkpoint(item.checkpoint);
  to.set_result(item.result);
  to.set_adoptions(item.adoptions);
  for (const FormerOwner& owner : item.former_owners) Set(to.add_former_owners(), owner);
  Set(to.mutable_started_at(), item.started_at);
  Set(to.mutable_updated_at(), item.updated_at);
  return to;
}

}  // namespace vigil
