// What is started by name, here or by others: submissions, and what is stood by for.
#include <algorithm>
#include <tuple>
#include <utility>

#include "own_error.h"
#include "runner_rules.h"

namespace vigil::client {

std::optional<QueryId> RunnerRules::BeginSubmit(std::string key) {
  if (!Takes() || waiting_.size() + Unanswered(Asks::kSubmission) >= kMostWaiting ||
      kept_.size() >= kMostWaiting) {
    return std::nullopt;
  }
  return Ask({.asks = Asks::kSubmission, .key = std::move(key)});
}

void RunnerRules::OnStandBy(Time now, WorkOrder order) {
  if (stopping()) return;
  const std::string key = order.key;
  if (wanted_.size() >= kMostWaiting && !wanted_.contains(key)) {
    return Do(work_action::TellTrouble{MakeError(Code::kResourceExhausted,
                                                 "10,000 items are stood by for here",
                                                 "Stand by for " + key + " later, or elsewhere.")});
  }
  Wanted wanted{.order = std::move(order)};
  if (self_) wanted.rules.emplace(key, self_);
  wanted.look_at = now;
  wanted_.erase(key);
  wanted_.emplace(key, std::move(wanted));
  Fill(now);
}

// No more than there is room for: each may make an item the pod's.
std::size_t RunnerRules::StartsLeft() const {
  const std::size_t unanswered = Unanswered(Asks::kStart);
  const auto without_room = static_cast<std::size_t>(
      std::count_if(queries_.begin(), queries_.end(), [](const auto& entry) {
        return entry.second.asks == Asks::kStart && entry.second.room == 0;
      }));
  const std::size_t room = Room();
  return std::min(kMostStarts - std::min<std::size_t>(kMostStarts, unanswered),
                  room - std::min(room, without_room));
}

// What has been due for longest comes first: answers may come more slowly than keys become due.
void RunnerRules::LookAtWanted(Time now) {
  const std::size_t left = StartsLeft();
  if (left == 0) return;
  std::vector<Wanted*> due;
  for (auto& [key, wanted] : wanted_) {
    if (!wanted.asked && wanted.look_at <= now) due.push_back(&wanted);
  }
  const auto end = due.begin() + static_cast<std::ptrdiff_t>(std::min(left, due.size()));
  std::partial_sort(due.begin(), end, due.end(), [](const Wanted* a, const Wanted* b) {
    return std::tie(a->look_at, a->order.key) < std::tie(b->look_at, b->order.key);
  });
  for (auto each = due.begin(); each != end; ++each) Start(**each);
}

// What somebody is known to have takes up no room: a poll that hangs is to hold up nothing.
void RunnerRules::Start(Wanted& wanted) {
  wanted.asked = true;
  const QueryId query = Ask(
      {.asks = Asks::kStart, .key = wanted.order.key, .room = wanted.rules->startable() ? 1U : 0U});
  Do(work_action::Start{query, wanted.order});
}

void RunnerRules::OnStarted(Time now, QueryId id, const Result<Started>& started) {
  const Query query = Answered(id);
  if (query.asks == Asks::kSubmission) {
    if (started) {
      Have(now, query, {.item = started->item});
    } else if (IsRetryable(started.error())) {
      Wait(query.key, Fence(), now + kAfterTrouble);  // it may have been started
    }
  } else if (const auto found = wanted_.find(query.key); found != wanted_.end()) {
    Wanted& wanted = found->second;
    wanted.asked = false;
    const bool again = std::exchange(wanted.look_again, false);
    wanted.look_at = again ? now : now + (started ? HalfToWhole() : kAfterTrouble);
    if (started) {
      Follow(now, wanted, wanted.rules->OnItem(started->item), query, {.item = started->item});
    } else {
      Do(work_action::TellTrouble{started.error()});
    }
  } else if (started) {
    Have(now, query, {.item = started->item});  // it is not stood by for any more
  }
  Fill(now);
  Settle(now);
}

void RunnerRules::OnClaimed(Time now, QueryId id, const Result<Claimed>& claimed) {
  const Query query = Answered(id);
  const bool had = claimed && claimed->outcome == ClaimOutcome::kClaimed;
  Ownership ownership;
  if (claimed) {
    ownership = {.item = claimed->item,
                 .claimed = had,
                 .previous_owner = had ? query.expected_owner : Incarnation(),
                 .event = query.event,
                 .event_at = query.event_at};
  } else {
    Do(work_action::TellTrouble{claimed.error()});
  }
  const auto found = wanted_.find(query.key);
  if (query.asks == Asks::kPredecessors || found == wanted_.end()) {
    if (had) Have(now, query, std::move(ownership));
    if (!claimed) Wait(query.key, Fence(), now + kAfterTrouble);  // it may be claimed
  } else {
    Wanted& wanted = found->second;
    if (!claimed) {
      wanted.look_at = std::min(wanted.look_at, now + kAfterTrouble);
    } else if (claimed->outcome == ClaimOutcome::kReserved ||
               claimed->outcome == ClaimOutcome::kQuarantined) {
      TellNotNow(wanted, claimed->item);  // until the next look
    } else {
      const Decision decision = wanted.rules->OnItem(claimed->item);
      if (std::holds_alternative<client::Claim>(decision)) {
        wanted.look_at = now;  // claimable again already: from the start
        wanted.look_again = wanted.asked;
      } else {
        Follow(now, wanted, decision, query, std::move(ownership));
      }
    }
  }
  Fill(now);
  Settle(now);
}

void RunnerRules::TellNotNow(Wanted& wanted, const WorkItem& item) {
  if (!(wanted.reported < item.fence)) return;
  wanted.reported = item.fence;
  if (item.state != WorkState::kQuarantined) return Do(work_action::TellStandingBy{item});
  Do(work_action::TellTrouble{
      MakeError(Code::kFailedPrecondition,
                item.key + " is QUARANTINED, since its owners kept dying or failing",
                "Look at it with `vigil work get`; when it is mended, release it.")});
}

// Of every event, to what is stood by for.
void RunnerRules::TellWanted(Time now, const Event& event) {
  if (!Takes()) return;
  std::vector<std::string> completed;
  for (auto& [key, wanted] : wanted_) {
    if (!wanted.rules) continue;
    const Decision decision = wanted.rules->OnEvent(event);
    const WorkItem item{
        .key = key, .owner = event.incarnation, .owner_name = event.pod_name, .fence = event.fence};
    if (const auto* claim = std::get_if<client::Claim>(&decision)) {
      ClaimWanted(now, wanted, *claim, event.kind, now);
    } else if (std::holds_alternative<Completed>(decision)) {
      completed.push_back(key);
      Do(work_action::TellCompletedElsewhere{item});
    } else if (event.kind == EventKind::kWorkClaimed && event.work_key == key &&
               event.incarnation != self_ && wanted.reported < event.fence) {
      wanted.reported = event.fence;
      Do(work_action::TellStandingBy{item});
    }
  }
  for (const std::string& key : completed) wanted_.erase(key);
}

// As an answer told it.
void RunnerRules::Follow(Time now, Wanted& wanted, const Decision& decision, const Query& query,
                         Ownership ownership) {
  const std::string key = wanted.order.key;
  if (std::holds_alternative<Own>(decision)) {
    wanted_.erase(key);
    Have(now, query, std::move(ownership));
  } else if (std::holds_alternative<Completed>(decision)) {
    wanted_.erase(key);
    Do(work_action::TellCompletedElsewhere{std::move(ownership.item)});
  } else if (const auto* claim = std::get_if<client::Claim>(&decision)) {
    ClaimWanted(now, wanted, *claim, EventKind::kUnknown, {});
  } else if (ownership.item.state == WorkState::kOwned && wanted.reported < ownership.item.fence) {
    wanted.reported = ownership.item.fence;
    Do(work_action::TellStandingBy{std::move(ownership.item)});
  }
}

// When nothing can be begun now, it is for others, and looked at as soon as something can.
void RunnerRules::ClaimWanted(Time now, Wanted& wanted, const client::Claim& claim, EventKind event,
                              Time event_at) {
  if (Room() == 0 || now < no_thread_until_) {
    wanted.look_at = Time{};  // before all that is only polled
    wanted.look_again = wanted.asked;
    return;
  }
  const QueryId query = Ask({.asks = Asks::kClaim,
                             .key = wanted.order.key,
                             .room = 1,
                             .expected_owner = claim.expected_owner,
                             .event = event,
                             .event_at = event_at});
  Do(work_action::Claim{query, wanted.order.key, claim.expected_owner, claim.expected_fence});
}

}  // namespace vigil::client
