#include "linearizability/mutants.h"

#include <utility>

namespace vigil::linearizability {
namespace {

// As it is now; nothing when it is not there, or is completed.
std::optional<Item> Look(const Items& items, const Call& call) {
  const Answers answers = items({.operation = Operation::kGet, .key = call.key});
  if (!answers || answers->empty()) return std::nullopt;
  std::optional<Item> item = answers->front().answer.item;
  if (item && item->state == WorkState::kCompleted) return std::nullopt;
  return item;
}

bool IsWrite(Operation operation) {
  return operation >= Operation::kCheckpoint && operation <= Operation::kTransfer;
}

}  // namespace

Items IgnoresTheFence(Items items) {
  return [items = std::move(items)](Call call) {
    const bool claim = call.operation == Operation::kClaim;
    const auto item = claim || IsWrite(call.operation) ? Look(items, call) : std::nullopt;
    const Incarnation named = claim ? call.expected_owner : call.caller;
    if (item && item->owner == named) call.fence = item->fence;
    return items(call);
  };
}

Items IgnoresTheOwner(Items items) {
  return [items = std::move(items)](Call call) {
    const auto item = call.operation == Operation::kClaim ? Look(items, call) : std::nullopt;
    const bool claimable = item && (item->orphan || item->state == WorkState::kReleased);
    if (claimable && item->fence == call.fence) call.expected_owner = item->owner;
    return items(call);
  };
}

// The living owner releases it without knowing, and the claimant is there at once.
Items ClaimsFromTheLiving(Items items) {
  return [items = std::move(items)](Call call) {
    const auto item = call.operation == Operation::kClaim ? Look(items, call) : std::nullopt;
    const bool as_expected =
        item && item->owner == call.expected_owner && item->fence == call.fence;
    if (as_expected && item->owner && !item->orphan) {
      items({.operation = Operation::kRelease,
             .key = call.key,
             .caller = item->owner,
             .fence = item->fence});
      call.expected_owner = {};
    }
    return items(call);
  };
}

std::vector<Mutant> Mutants() {
  return {{"the fence is ignored", IgnoresTheFence},
          {"the expected owner is ignored", IgnoresTheOwner},
          {"the living are robbed", ClaimsFromTheLiving}};
}

}  // namespace vigil::linearizability
