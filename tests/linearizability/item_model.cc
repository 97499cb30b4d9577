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
    case Operation::kFail:
      return Change(call);
    case Operation::kTransfer:
      return Transfer(call);
    case Operation::kClaim:
      return Claim(call);
    case Operation::kClaimOrphans:
      return ClaimOrphan(call);
    case Operation::kGet:
      return item_ ? Answer{"OK", Shown()} : Refusal(reason::kWorkNotFound);
    case Operation::kDie:
    case Operation::kLeave:
      return End(call);
  }
  return {};
}

bool ItemModel::Do(const Call& call, const Answer& answer) {
  if (Do(call) == answer) return true;
  const bool late = call.operation == Operation::kClaim && ended_.contains(call.caller) && item_ &&
                    item_->fence != call.fence;
  return late && answer == Answer{"LOST", Shown()};
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

void ItemModel::Adopt(Incarnation owner) {
  if (IsOrphan() && ended_.at(item_->owner) == Operation::kDie) ++item_->adoptions;
  GiveTo(owner);
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

std::optional<Answer> ItemModel::RefusalOf(const Call& call) const {
  if (ended_.contains(call.caller)) {
    // Who has it now is of more use to the dead than that they are dead.
    const bool overtaken = item_ && item_->fence > call.fence;
    return Refusal(overtaken ? reason::kFenced : reason::kIncarnationEnded);
  }
  if (!item_) return Refusal(reason::kWorkNotFound);
  if (item_->owner != call.caller || item_->fence != call.fence) return Refusal(reason::kFenced);
  if (item_->state == WorkState::kCompleted) return Refusal(reason::kWorkCompleted);
  return std::nullopt;
}

// A repetition is known by what was done, whatever has become of the item.
bool ItemModel::HasDone(const Call& call, Incarnation receiver) const {
  const auto deed = deeds_.find(call.fence);
  return deed != deeds_.end() && !ended_.contains(call.caller) &&
         deed->second == Deed{call.caller, call.operation, receiver};
}

Answer ItemModel::Change(const Call& call) {
  const bool complete = call.operation == Operation::kComplete;
  const bool fail = call.operation == Operation::kFail;
  const bool give_up = fail || call.operation == Operation::kRelease;
  if (auto refusal = RefusalOf(call)) {
    const bool given_up = give_up && HasDone(call, {}) && item_->fence == call.fence;
    const bool completed = complete && refusal->word == reason::kWorkCompleted;
    return given_up || completed ? Answer{"OK", Shown()} : *std::move(refusal);
  }
  if (give_up) {
    item_->state = WorkState::kReleased;
    item_->owner = {};
    if (fail) ++item_->adoptions;
    deeds_[call.fence] = {.holder = call.caller, .operation = call.operation};
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

Answer ItemModel::Transfer(const Call& call) {
  const bool receiver_lives = !ended_.contains(call.receiver);
  if (auto refusal = RefusalOf(call)) {
    const bool repeated =
        HasDone(call, call.receiver) && item_->fence.value == call.fence.value + 1;
    return repeated ? Answer{"OK", Shown()} : *std::move(refusal);
  }
  if (!receiver_lives) return Refusal(reason::kPodNotFound);
  if (call.receiver != call.caller) {
    GiveTo(call.receiver);
    deeds_[call.fence] = {call.caller, call.operation, call.receiver};
  }
  return {"OK", Shown()};
}

Answer ItemModel::Claim(const Call& call) {
  if (ended_.contains(call.caller)) return Refusal(reason::kIncarnationEnded);
  if (!item_) return Refusal(reason::kWorkNotFound);
  if (item_->state == WorkState::kCompleted) return Refusal(reason::kWorkCompleted);
  if (item_->owner == call.expected_owner && item_->fence == call.fence) {
    if (!IsClaimable()) return Refusal(reason::kOwnerAlive);
    Adopt(call.caller);
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
  Adopt(call.caller);
  return {"CLAIMED", Shown()};
}

Answer ItemModel::End(const Call& call) {
  ended_.emplace(call.caller, call.operation);
  const bool died = call.operation == Operation::kDie;
  Tell(died ? EventKind::kPodDied : EventKind::kPodLeft, call.caller);
  told_->fence = {};
  return {"OK"};
}

}  // namespace vigil::linearizability
