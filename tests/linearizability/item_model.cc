#include "linearizability/item_model.h"

#include <utility>

#include "core/errors.h"

namespace vigil::linearizability {

Answer ItemModel::Do(const Call& call) {
  told_.reset();
  switch (call.operation) {
    case Operation::kStart:
      return Start(call);
    case Operation::kCheckpoint:
    case Operation::kComplete:
    case Operation::kRelease:
      return Change(call);
    case Operation::kClaim:
      return Claim(call);
    case Operation::kClaimOrphans:
      return ClaimOrphan(call);
    case Operation::kGet:
      return item_ ? Answer{"OK", Shown()} : Refusal(reason::kWorkNotFound);
    case Operation::kEnd:
      return End(call);
  }
  return {};
}

std::optional<Item> ItemModel::Shown() const {
  std::optional<Item> shown = item_;
  if (shown) shown->orphan = IsOrphan();
  return shown;
}

bool ItemModel::IsOrphan() const {
  return item_->state == WorkState::kOwned && ended_.contains(item_->owner);
}

bool ItemModel::IsClaimable() const { return item_->state == WorkState::kReleased || IsOrphan(); }

Answer ItemModel::Refusal(std::string_view reason) const {
  const bool says_who = reason == reason::kFenced || reason == reason::kOwnerAlive;
  if (!says_who) return {std::string(reason)};
  return {std::string(reason), Item{.owner = item_->owner, .fence = item_->fence}};
}

void ItemModel::Tell(EventKind kind, Incarnation pod, Incarnation previous_owner) {
  told_.emplace();
  told_->kind = kind;
  told_->incarnation = pod;
  told_->previous_owner = previous_owner;
  if (item_) told_->fence = item_->fence;
}

void ItemModel::GiveTo(Incarnation owner) {
  const Incarnation previous_owner = std::exchange(item_->owner, owner);
  item_->state = WorkState::kOwned;
  ++item_->fence.value;
  Tell(EventKind::kWorkClaimed, owner, previous_owner);
}

Answer ItemModel::Start(const Call& call) {
  if (ended_.contains(call.caller)) return Refusal(reason::kIncarnationEnded);
  std::string word = "STARTED";
  if (!item_) {
    item_ = Item{.owner = call.caller, .fence = Fence{1}, .payload = call.text};
  } else if (item_->state == WorkState::kReleased) {
    GiveTo(call.caller);
  } else if (item_->state == WorkState::kCompleted) {
    word = "COMPLETED";
  } else if (item_->owner != call.caller) {
    word = IsOrphan() ? "ORPHANED" : "OWNED";
  }
  return {word, Shown()};
}

Answer ItemModel::Change(const Call& call) {
  if (ended_.contains(call.caller)) {
    // Who has it now is of more use to the dead than that they are dead.
    const bool overtaken = item_ && item_->fence > call.fence;
    return Refusal(overtaken ? reason::kFenced : reason::kIncarnationEnded);
  }
  if (!item_) return Refusal(reason::kWorkNotFound);
  const bool release = call.operation == Operation::kRelease;
  const bool complete = call.operation == Operation::kComplete;
  if (release && item_->state == WorkState::kReleased && item_->fence == call.fence) {
    return {"OK", Shown()};  // a repetition: nobody has it, so it is known by the fence alone
  }
  if (item_->owner != call.caller || item_->fence != call.fence) return Refusal(reason::kFenced);
  if (item_->state == WorkState::kCompleted) {
    return complete ? Answer{"OK", Shown()} : Refusal(reason::kWorkCompleted);
  }
  if (release) {
    item_->state = WorkState::kReleased;
    item_->owner = {};
    Tell(EventKind::kWorkReleased, call.caller);
  } else if (complete) {
    item_->state = WorkState::kCompleted;
    item_->result = call.text;
    Tell(EventKind::kWorkCompleted, call.caller);
  } else {
    item_->checkpoint = call.text;
  }
  return {"OK", Shown()};
}

Answer ItemModel::Claim(const Call& call) {
  if (ended_.contains(call.caller)) return Refusal(reason::kIncarnationEnded);
  if (!item_) return Refusal(reason::kWorkNotFound);
  if (item_->state == WorkState::kCompleted) return Refusal(reason::kWorkCompleted);
  if (item_->owner == call.expected_owner && item_->fence == call.fence) {
    if (!IsClaimable()) return Refusal(reason::kOwnerAlive);
    GiveTo(call.caller);
    return {"CLAIMED", Shown()};
  }
  const bool won_already = item_->owner == call.caller && item_->owner != call.expected_owner &&
                           item_->fence.value == call.fence.value + 1;
  return {won_already ? "CLAIMED" : "LOST", Shown()};
}

// It may always pass an item over; a call that says that it took none is not taken down.
Answer ItemModel::ClaimOrphan(const Call& call) {
  if (ended_.contains(call.caller)) return Refusal(reason::kIncarnationEnded);
  if (!item_ || !IsClaimable()) return {"NOTHING"};
  GiveTo(call.caller);
  return {"CLAIMED", Shown()};
}

Answer ItemModel::End(const Call& call) {
  ended_.insert(call.caller);
  // DIED or LEFT: nothing here depends on which.
  Tell(EventKind::kPodDied, call.caller);
  told_->fence = {};
  return {"OK"};
}

}  // namespace vigil::linearizability
