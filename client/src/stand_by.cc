#include "stand_by.h"

namespace vigil::client {

Decision StandBy::OnItem(const WorkItem& item) {
  if (item.state == WorkState::kCompleted) return Completed{};
  if (item.fence < fence_) return Wait{};
  owner_ = item.owner;
  fence_ = item.fence;
  quarantined_ = item.state == WorkState::kQuarantined;
  if (quarantined_) return Wait{};
  if (owner_ == self_) return Own{};
  if (item.orphan || !owner_) return Claim{owner_, fence_};
  return Wait{};
}

Decision StandBy::OnEvent(const Event& event) {
  switch (event.kind) {
    case EventKind::kPodDied:
    case EventKind::kPodLeft:
      if (owner_ && event.incarnation == owner_) return Claim{owner_, fence_};
      return Wait{};
    case EventKind::kWorkClaimed:
    case EventKind::kWorkReleased:
    case EventKind::kWorkCompleted:
    case EventKind::kWorkQuarantined:
      return event.work_key == key_ ? OnWorkEvent(event) : Wait{};
    default:
      return Wait{};
  }
}

Decision StandBy::OnWorkEvent(const Event& event) {
  if (event.kind == EventKind::kWorkCompleted) return Completed{};
  if (event.fence < fence_) return Wait{};
  fence_ = event.fence;
  owner_ = event.kind == EventKind::kWorkClaimed ? event.incarnation : Incarnation();
  quarantined_ = event.kind == EventKind::kWorkQuarantined;
  if (event.kind == EventKind::kWorkReleased) return Claim{owner_, fence_};
  return Wait{};
}

}  // namespace vigil::client
