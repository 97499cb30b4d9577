#include "store/joint_claims.h"

#include <optional>
#include <utility>

#include "core/errors.h"

namespace vigil {
namespace {

// What the answer to another claim on the same target says of this one; nothing when it says
// nothing.
std::optional<Result<ClaimedWork>> Implied(const WorkClaim& claim,
                                           const Result<ClaimedWork>& outcome) {
  if (!outcome) {
    const Error& error = outcome.error();
    if (error.Is(reason::kDatabaseUnavailable)) return Fail(error);
    return std::nullopt;
  }
  const bool gone =
      outcome->outcome == ClaimOutcome::kClaimed || outcome->outcome == ClaimOutcome::kLost;
  if (!gone || outcome->item.owner == claim.claimant) return std::nullopt;
  return ClaimedWork{ClaimOutcome::kLost, outcome->item};
}

}  // namespace

void JointClaims::Make(Call call) {
  const WorkClaim& claim = call.claim;
  const Target target{claim.ns, claim.key, claim.expected_owner, claim.expected_fence};
  {
    std::unique_lock lock(mutex_);
    if (count_ >= most_) {
      lock.unlock();
      return call.answer(Fail(RequestQueueFull()));
    }
    ++count_;
    const auto [entry, first] = waiting_.try_emplace(target);
    entry->second.push_back(std::move(call));
    if (!first) return;
  }
  AskForATurn(target);
}

void JointClaims::AskForATurn(const Target& target) {
  if (lane_.Enqueue([this, target](Store& store) { Serve(target, store); })) return;
  do {
    for (const Call& each : TakeWaiting(target)) each.answer(Fail(RequestQueueFull()));
  } while (!Done(target));
}

void JointClaims::Serve(const Target& target, Store& store) {
  AnswerAll(TakeWaiting(target), store);
  if (!Done(target)) AskForATurn(target);
}

std::vector<JointClaims::Call> JointClaims::TakeWaiting(const Target& target) {
  std::lock_guard lock(mutex_);
  auto calls = std::exchange(waiting_.at(target), {});
  count_ -= calls.size();
  return calls;
}

bool JointClaims::Done(const Target& target) {
  std::lock_guard lock(mutex_);
  const auto entry = waiting_.find(target);
  if (!entry->second.empty()) return false;
  waiting_.erase(entry);
  return true;
}

void JointClaims::AnswerAll(std::vector<Call> calls, Store& store) {
  while (!calls.empty()) {
    const Call asking = std::move(calls.front());
    calls.erase(calls.begin());
    if (asking.abandoned()) continue;
    const auto outcome = store.ClaimWork(asking.claim);
    asking.answer(outcome);
    std::erase_if(calls, [&](const Call& other) {
      const auto implied = Implied(other.claim, outcome);
      if (implied && !other.abandoned()) other.answer(*implied);
      return implied.has_value();
    });
  }
}

}  // namespace vigil
