#include "runner_rules.h"

#include <algorithm>
#include <utility>

#include "own_error.h"

namespace vigil::client {
namespace {

// How long the answer to a claim may take before what it seems to have claimed is asked for: most
// often it is about to tell.
constexpr Duration kClaimTells = std::chrono::seconds(1);
// Before an item is asked for again, when the answer was older than what is known.
constexpr Duration kAfterOldAnswer = std::chrono::milliseconds(100);

WorkItem WithoutBytes(WorkItem item) {
  item.payload.clear();
  item.checkpoint.clear();
  item.result.clear();
  return item;
}

}  // namespace

bool SaysLost(const Error& error) {
  switch (error.reason) {
    case Reason::kFenced:
    case Reason::kIncarnationEnded:
    case Reason::kPodNotFound:
    case Reason::kWorkNotFound:
    case Reason::kWorkCompleted:
      return true;
    default:
      return false;
  }
}

// --- The pod, and the log ---

void RunnerRules::OnRegistered(Time now, Incarnation self,
                               const std::vector<WorkItem>& predecessors_work) {
  if (self_ || lost_) return;
  self_ = self;
  for (auto& [key, wanted] : wanted_) wanted.rules.emplace(key, self_);
  if (options_.takes_over) {
    ramp_.emplace(options_.poll_interval, options_.random, now);
    list_at_ = now;  // whether or not the log can be followed
    std::copy_if(predecessors_work.begin(), predecessors_work.end(),
                 std::back_inserter(predecessors_), options_.chooses);
  }
  Fill(now);
}

// What happened before, no event tells.
void RunnerRules::OnFollowing(Time now) {
  if (options_.takes_over) list_at_ = now;
  if (ramp_) ramp_->Wake(now);
  for (auto& [task, running] : running_) running.look_at = now;
  for (auto& [key, wanted] : wanted_) {
    wanted.look_again = wanted.asked;
    wanted.look_at = now;
  }
  Fill(now);
}

void RunnerRules::OnEvent(Time now, const Event& event) {
  switch (event.kind) {
    case EventKind::kPodDied:
    case EventKind::kPodLeft:
      // Its own coordinator may say so later. Of its leave it knows.
      if (event.incarnation == self_) return leaving_ ? void() : OnLost(now);
      if (ramp_ && event.orphans > 0) ramp_->Wake(now);
      break;
    case EventKind::kWorkReleased:
    // More may be behind what was quarantined.
    case EventKind::kWorkQuarantined:
      if (ramp_) ramp_->Wake(now);
      OnWorkEvent(now, event);
      break;
    case EventKind::kWorkClaimed:
    case EventKind::kWorkCompleted:
      OnWorkEvent(now, event);
      break;
    default:
      return;
  }
  TellWanted(now, event);
  Fill(now);
}

// What it tells of an item that runs here, and of one that was given to this pod.
void RunnerRules::OnWorkEvent(Time now, const Event& event) {
  // A function may have completed its item itself: to do that again changes nothing.
  const bool given_up =
      event.kind != EventKind::kWorkClaimed && event.kind != EventKind::kWorkCompleted;
  LoseOvertaken(event.work_key, event.fence, given_up);
  if (const auto waiting = waiting_.find(event.work_key); waiting != waiting_.end()) {
    waiting->second.fence = std::max(waiting->second.fence, event.fence);
  }
  const bool owned = event.kind == EventKind::kWorkClaimed && event.incarnation == self_;
  if (!owned || !options_.takes_over) return;
  Wait(event.work_key, event.fence, Claiming() ? now + kClaimTells : now);
}

void RunnerRules::OnTimer(Time now) {
  if (over_) return;
  std::vector<TaskId> due;
  for (const auto& [task, running] : running_) {
    if (running.write_at && *running.write_at <= now) due.push_back(task);
  }
  for (const TaskId task : due) Write(task, running_.at(task));
  Fill(now);
  Settle(now);
}

std::optional<Time> RunnerRules::next_wake() const {
  if (over_ || leaving_) return std::nullopt;
  Time wake = Time::max();
  const auto at = [&wake](Time time) { wake = std::min(wake, time); };
  // The same conditions as in Fill: a moment that has come leads to an action.
  const bool looks = Takes() && Unanswered(Asks::kRunning) < kMostLooks;
  for (const auto& [task, running] : running_) {
    if (running.write_at) at(*running.write_at);
    if (running.look_at && looks) at(*running.look_at);
  }
  if (stopping() && !reported_) at(deadline_);
  const auto filled_at = [&](Time time) { at(std::max(time, no_thread_until_)); };
  if (Takes() && StartsLeft() > 0) {
    for (const auto& [key, wanted] : wanted_) {
      if (!wanted.asked) filled_at(wanted.look_at);
    }
  }
  if (Takes() && Room() > 0) {
    for (const auto& [key, waiting] : waiting_) {
      if (!waiting.asked) filled_at(waiting.from);
    }
    if (ramp_ && ramp_->ask_at()) filled_at(*ramp_->ask_at());
    if (Unanswered(Asks::kOwn) == 0) filled_at(list_at_);
  }
  if (HandsOver() && Unanswered(Asks::kWaiting) < kMostLooks) {
    for (const auto& [key, waiting] : waiting_) {
      if (!waiting.asked) at(waiting.from);
    }
  }
  return wake == Time::max() ? std::nullopt : std::optional(wake);
}

// --- What is asked ---

QueryId RunnerRules::Ask(Query query) {
  const QueryId id(++last_query_);
  queries_.emplace(id, std::move(query));
  return id;
}

RunnerRules::Query RunnerRules::Answered(QueryId query) {
  auto found = queries_.extract(query);
  return found ? std::move(found.mapped()) : Query{.asks = Asks::kOwn};
}

std::size_t RunnerRules::Unanswered(Asks what) const {
  return static_cast<std::size_t>(
      std::count_if(queries_.begin(), queries_.end(),
                    [what](const auto& entry) { return entry.second.asks == what; }));
}

std::uint32_t RunnerRules::Room() const {
  const auto held = static_cast<std::size_t>(std::count_if(
      running_.begin(), running_.end(), [](const auto& entry) { return entry.second.held; }));
  std::size_t taken = running_.size();
  for (const auto& [id, query] : queries_) taken += query.room;
  const std::size_t most = options_.concurrency + std::min<std::size_t>(held, options_.concurrency);
  const std::size_t room = std::min(most, kMostWaiting - kept_.size());
  return static_cast<std::uint32_t>(room - std::min(room, taken));
}

bool RunnerRules::IsAsked(Asks what, const std::string& key) const {
  return std::any_of(queries_.begin(), queries_.end(), [&](const auto& entry) {
    return entry.second.asks == what && entry.second.key == key;
  });
}

bool RunnerRules::Claiming() const {
  return Unanswered(Asks::kOrphans) + Unanswered(Asks::kSubmission) + Unanswered(Asks::kStart) +
             Unanswered(Asks::kClaim) + Unanswered(Asks::kPredecessors) >
         0;
}

Duration RunnerRules::HalfToWhole() const {
  return std::chrono::duration_cast<Duration>(options_.poll_interval *
                                              (0.5 + options_.random() / 2));
}

// Asks for all that there is room for: what the pod has already, what its predecessors had, and
// what others have left.
void RunnerRules::Fill(Time now) {
  if (stopping_) return HandOverWaiting(now);
  if (!Takes()) return;
  LookAtRunning(now);
  if (now < no_thread_until_) return;
  LookAtWanted(now);
  FillFromWaiting(now);
  FillFromPredecessors();
  FillFromOthers(now);
}

void RunnerRules::FillFromWaiting(Time now) {
  std::uint32_t room = Room();
  for (auto& [key, waiting] : waiting_) {
    if (room == 0) return;
    if (waiting.asked || waiting.from > now) continue;
    waiting.asked = true;
    --room;
    const QueryId query =
        Ask({.asks = Asks::kWaiting, .key = key, .room = 1, .fence = waiting.fence});
    Do(work_action::Fetch{query, key});
  }
}

void RunnerRules::FillFromPredecessors() {
  while (!predecessors_.empty() && Room() > 0) {
    const WorkItem item = std::move(predecessors_.front());
    predecessors_.pop_front();
    const QueryId query = Ask(
        {.asks = Asks::kPredecessors, .key = item.key, .room = 1, .expected_owner = item.owner});
    Do(work_action::Claim{query, item.key, item.owner, item.fence});
  }
}

void RunnerRules::FillFromOthers(Time now) {
  if (ramp_ && ramp_->ask_at() && *ramp_->ask_at() <= now && Room() > 0) {
    const std::uint32_t limit = ramp_->Ask(Room());
    Do(work_action::ClaimOrphans{Ask({.asks = Asks::kOrphans, .room = limit}), limit});
  }
  if (list_at_ <= now && Room() > 0 && Unanswered(Asks::kOwn) == 0) {
    list_at_ = now + HalfToWhole();
    Do(work_action::ListOwn{Ask({.asks = Asks::kOwn}), list_from_});
  }
}

void RunnerRules::LookAtRunning(Time now) {
  std::size_t unanswered = Unanswered(Asks::kRunning);
  for (auto& [task, running] : running_) {
    if (unanswered >= kMostLooks) return;
    if (!running.look_at || *running.look_at > now) continue;
    running.look_at.reset();
    if (running.lost || running.result) continue;
    const std::string& key = running.item.key;
    Do(work_action::Fetch{Ask({.asks = Asks::kRunning, .key = key}), key});
    ++unanswered;
  }
}

void RunnerRules::Wait(const std::string& key, Fence fence, Time from) {
  for (const auto& [task, running] : running_) {
    if (running.item.key == key && running.item.fence >= fence) return;
  }
  for (const auto* fences : {&kept_, &were_lost_}) {
    if (const auto ended = fences->find(key); ended != fences->end() && ended->second >= fence) {
      return;
    }
  }
  // What does not fit is found in a later list.
  if (waiting_.size() >= kMostWaiting && !waiting_.contains(key)) return;
  const auto [found, added] = waiting_.try_emplace(key, Waiting{fence, from});
  Waiting& waiting = found->second;
  // Of an earlier wait a question may be unanswered still.
  if (added) waiting.asked = IsAsked(Asks::kWaiting, key);
  waiting.fence = std::max(waiting.fence, fence);
}

// --- What is answered ---

void RunnerRules::OnClaimedOrphans(Time now, QueryId id, Result<std::vector<WorkItem>> items) {
  const Query query = Answered(id);
  if (items) {
    ramp_->OnAnswer(now, items->size());
    for (WorkItem& item : *items) {
      Have(now, query, {.item = std::move(item), .claimed = true});
    }
  } else {
    ramp_->OnTrouble(now);
    list_at_ = std::min(list_at_, now + kAfterTrouble);  // it may have claimed
    Do(work_action::TellTrouble{items.error()});
  }
  Fill(now);
  Settle(now);
}

// A page at a time, so that what does not fit is not in the way of what follows it.
void RunnerRules::OnListed(Time now, QueryId id, const Result<OwnPage>& own) {
  Answered(id);
  if (own) {
    for (const auto& [key, fence] : own->fences) Wait(key, fence, now);
    list_from_ = own->next_page_token;
    if (!list_from_.empty() && waiting_.size() < kMostWaiting) list_at_ = now;
  } else {
    list_from_.clear();
    list_at_ = std::min(list_at_, now + kAfterTrouble);
    Do(work_action::TellTrouble{own.error()});
  }
  Fill(now);
  Settle(now);
}

void RunnerRules::OnFetched(Time now, QueryId id, const Result<WorkItem>& item) {
  const Query query = Answered(id);
  const auto waiting = waiting_.find(query.key);
  if (query.asks == Asks::kRunning) {
    OnLookedAt(now, query, item);
  } else if (!item && !SaysLost(item.error())) {
    if (waiting != waiting_.end()) waiting->second = {waiting->second.fence, now + kAfterTrouble};
    Do(work_action::TellTrouble{item.error()});
  } else if (waiting != waiting_.end() &&
             (item ? item->fence : query.fence) < waiting->second.fence) {
    // It is older than what is known by now.
    waiting->second = {waiting->second.fence, now + kAfterOldAnswer};
  } else {
    if (waiting != waiting_.end()) waiting_.erase(waiting);
    if (item) Have(now, query, {.item = *item});
  }
  Fill(now);
  Settle(now);
}

// Of what runs, as no event may have told it.
void RunnerRules::OnLookedAt(Time now, const Query& query, const Result<WorkItem>& item) {
  if (item) {
    const bool given_up =
        item->state == WorkState::kReleased || item->state == WorkState::kQuarantined;
    LoseOvertaken(item->key, item->fence, given_up);
    const bool ours = item->state == WorkState::kOwned && item->owner == self_;
    if (ours && options_.takes_over) Wait(item->key, item->fence, now);
  } else if (SaysLost(item.error())) {
    LoseOvertaken(query.key, Fence(~std::uint64_t{0}), true);
  } else {
    for (auto& [task, running] : running_) {
      if (running.item.key == query.key) running.look_at = now + kAfterTrouble;
    }
    Do(work_action::TellTrouble{item.error()});
  }
}

// An answer is no news if what it tells of runs here, ran since it was asked for, or was kept; or
// if something newer waits.
bool RunnerRules::IsKnown(const Query& query, const WorkItem& item) const {
  const auto has = [&item](const std::map<std::string, Fence>& fences) {
    const auto found = fences.find(item.key);
    return found != fences.end() && found->second >= item.fence;
  };
  const auto waiting = waiting_.find(item.key);
  return has(query.ended) || has(kept_) || has(were_lost_) ||
         (waiting != waiting_.end() && waiting->second.fence > item.fence) ||
         std::any_of(running_.begin(), running_.end(), [&item](const auto& entry) {
           return entry.second.item.key == item.key && entry.second.item.fence >= item.fence;
         });
}

void RunnerRules::Have(Time now, const Query& query, Ownership ownership) {
  const WorkItem& item = ownership.item;
  if (item.state != WorkState::kOwned || item.owner != self_) return;
  if (lost_ || IsKnown(query, item)) return;
  LoseOvertaken(item.key, item.fence, false);
  if (stopping_) return HandOver(item);
  if (Room() == 0 || now < no_thread_until_) {
    return Wait(item.key, item.fence, std::max(now, no_thread_until_));
  }
  waiting_.erase(item.key);
  ownership.owned_at = now;
  const TaskId task(++last_task_);
  running_.emplace(task, Running{.item = WithoutBytes(item)});
  Do(work_action::Run{task, std::move(ownership)});
}

}  // namespace vigil::client
