#include "linearizability/random_caller.h"

#include <algorithm>
#include <tuple>

#include "core/errors.h"

namespace vigil::linearizability {

void RandomCaller::Become(Incarnation self) {
  self_ = self;
  ended_ = false;
}

std::string RandomCaller::KeyAt(size_t place) const {
  const auto completed = completed_.find(place);
  const uint64_t number = completed == completed_.end() ? 0 : completed->second;
  return "item-" + std::to_string(place) + "-" + std::to_string(number);
}

// One that nobody else writes.
std::string RandomCaller::FreshText() {
  return std::to_string(self_.value) + "/" + std::to_string(++texts_);
}

Call RandomCaller::Next() {
  const std::string key = KeyAt(Pick(options_.items));
  const auto found = known_.find(key);
  const Known known = found == known_.end() ? Known{} : found->second;
  Call call{.key = key, .caller = self_, .fence = known.fence};
  const bool mine = known.state == WorkState::kOwned && known.owner == self_;
  if (mine && !OneIn(10)) return Working(std::move(call));
  return Wanting(std::move(call), known);
}

// It owns the item, as far as it knows.
Call RandomCaller::Working(Call call) {
  const size_t pick = Pick(20);
  if (pick < 10) return Writing(std::move(call));
  if (pick < 15) return GivingUp(std::move(call));
  if (pick < 16) {
    call.operation = Operation::kComplete;
    call.text = FreshText();
  } else if (pick < 18) {
    call.operation = Operation::kStart;
    call.fence = {};
    call.text = FreshText();
  } else {
    call.operation = Operation::kGet;
    call.fence = {};
  }
  return call;
}

// To nobody, or to another that it has heard of.
Call RandomCaller::GivingUp(Call call) {
  const size_t pick = Pick(4);
  if (pick == 0) {
    call.operation = Operation::kFail;
    call.text = FreshText();
  } else if (pick == 1 && !seen_.empty()) {
    call.operation = Operation::kTransfer;
    std::tie(call.receiver, call.text) =
        seen_[seen_.size() - 1 - Pick(std::min<size_t>(seen_.size(), 8))];
  } else {
    call.operation = Operation::kRelease;
  }
  return call;
}

// With the fence that it knows, or an earlier or a later one.
Call RandomCaller::Writing(Call call) {
  call.operation = Operation::kCheckpoint;
  call.text = FreshText();
  if (OneIn(6) && call.fence) call.fence.value += Pick(2) == 0 ? -1 : 1;
  if (!call.fence) call.fence = Fence{1};
  return call;
}

Call RandomCaller::Wanting(Call call, const Known& known) {
  const size_t pick = Pick(12);
  if (pick < 5 && known.fence) return Claiming(std::move(call), known);
  if (pick == 5) return Writing(std::move(call));
  call.fence = {};
  if (pick == 6) {
    call.operation = Operation::kClaimOrphans;
    call.key.clear();
  } else if (pick < 9) {
    call.operation = Operation::kGet;
  } else {
    call.operation = Operation::kStart;
    call.text = FreshText();
  }
  return call;
}

// From its owner whether or not that one lives, from nobody, or from another.
Call RandomCaller::Claiming(Call call, const Known& known) {
  call.operation = Operation::kClaim;
  if (known.state == WorkState::kOwned) call.expected_owner = known.owner;
  if (OneIn(5) && !seen_.empty()) call.expected_owner = seen_[Pick(seen_.size())].first;
  if (OneIn(8)) call.expected_owner = {};
  if (OneIn(8) && call.fence.value > 1) --call.fence.value;
  return call;
}

void RandomCaller::Learn(const Answers& answers) {
  if (!answers) return;
  for (const auto& [key, answer, owner_name] : *answers) {
    if (answer.word == reason::kIncarnationEnded) ended_ = true;
    const bool completed = answer.word == reason::kWorkCompleted ||
                           (answer.item && answer.item->state == WorkState::kCompleted);
    if (completed) MoveOn(key);
    if (!answer.item) continue;
    const Item& item = *answer.item;
    known_[key] = {item.owner ? item.state : WorkState::kReleased, item.owner, item.fence};
    if (item.owner && !owner_name.empty()) Remember(item.owner, owner_name);
  }
}

void RandomCaller::Remember(Incarnation owner, const std::string& name) {
  for (const auto& seen : seen_) {
    if (seen.first == owner) return;
  }
  seen_.emplace_back(owner, name);
}

// To the next item in this place; not always at once.
void RandomCaller::MoveOn(const std::string& key) {
  for (size_t place = 0; place < options_.items; ++place) {
    if (KeyAt(place) == key && !OneIn(3)) ++completed_[place];
  }
}

}  // namespace vigil::linearizability
