#include "runner_rules.h"

#include <algorithm>
#include <utility>

namespace vigil::client {
namespace {

// After a call that failed, before a question is asked again.
constexpr Duration kAfterTrouble = std::chrono::seconds(1);
constexpr Duration kMostAfterTrouble = std::chrono::seconds(10);
// How long the answer to a claim may take before what it seems to have claimed is asked for: most
// often it is about to tell.
constexpr Duration kClaimTells = std::chrono::seconds(1);
constexpr Duration kLeave = std::chrono::seconds(5);
constexpr Duration kLeaveLost = std::chrono::seconds(2);

WorkItem WithoutBytes(WorkItem item) {
  item.payload.clear();
  item.checkpoint.clear();
  item.result.clear();
  return item;
}

TaskEnd EndOf(const TaskResult& result) {
  if (std::holds_alternative<Done>(result)) return TaskEnd::kCompleted;
  if (std::holds_alternative<Failed>(result)) return TaskEnd::kFailed;
  if (std::holds_alternative<GivenBack>(result)) return TaskEnd::kReleased;
  return TaskEnd::kKept;
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

// --- The pod ---

void RunnerRules::OnRegistered(Time now, Incarnation self,
                               const std::vector<WorkItem>& predecessors_work) {
  if (self_ || lost_) return;
  self_ = self;
  for (auto& [key, wanted] : wanted_) wanted.rules.emplace(key, self_);
  if (options_.takes_over) {
    ramp_.emplace(options_.poll_interval, options_.random, now);
    std::copy_if(predecessors_work.begin(), predecessors_work.end(),
                 std::back_inserter(predecessors_), options_.chooses);
  }
  Fill(now);
}

void RunnerRules::OnRefused(Time now) {
  lost_ = true;
  leaving_ = true;
  OnLeft(now);
}

// What happened before, no event tells.
void RunnerRules::OnFollowing(Time now) {
  if (ramp_) {
    ramp_->Wake(now);
    list_at_ = now;
  }
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
  const bool owned = event.kind == EventKind::kWorkClaimed && event.incarnation == self_;
  std::vector<TaskId> lost;
  for (const auto& [task, running] : running_) {
    if (running.item.key != event.work_key || event.fence < running.item.fence) continue;
    // By now somebody else's or nobody's, and not by what is written here. A function may have
    // completed its item itself: to do that again changes nothing.
    const bool given_up = event.kind != EventKind::kWorkClaimed &&
                          event.kind != EventKind::kWorkCompleted && !running.result;
    if (event.fence > running.item.fence || given_up) lost.push_back(task);
  }
  for (const TaskId task : lost) Lose(task);
  if (!owned || !options_.takes_over) return;
  Wait(event.work_key, event.fence, Claiming() ? now + kClaimTells : now);
}

void RunnerRules::OnTimer(Time now) {
  if (over_) return;
  std::vector<TaskId> due;
  for (const auto& [task, running] : running_) {
    if (running.again_at && *running.again_at <= now) due.push_back(task);
  }
  for (const TaskId task : due) Write(task, running_.at(task));
  Fill(now);
  Settle(now);
}

void RunnerRules::OnLost(Time now) {
  if (lost_ || over_) return;
  lost_ = true;
  deadline_ = std::min(deadline_, now + kLostPatience);
  std::vector<TaskId> tasks;
  for (const auto& [task, running] : running_) tasks.push_back(task);
  for (const TaskId task : tasks) Lose(task);
  Settle(now);
}

void RunnerRules::OnStop(Time now, Time deadline) {
  deadline_ = std::min(deadline_, deadline);
  if (!std::exchange(stopping_, true)) {
    for (const auto& [task, running] : running_) {
      if (!running.lost && !running.result) Do(work_action::Fire{task, false});
    }
    waiting_.clear();
    wanted_.clear();
    predecessors_.clear();
  }
  Settle(now);
}

void RunnerRules::OnLeft(Time) {
  if (!leaving_ || std::exchange(over_, true)) return;
  Do(work_action::Over{});
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

bool RunnerRules::Asking(Asks what) const {
  return std::any_of(queries_.begin(), queries_.end(),
                     [what](const auto& entry) { return entry.second.asks == what; });
}

std::uint32_t RunnerRules::Room() const {
  std::size_t taken = running_.size();
  for (const auto& [id, query] : queries_) taken += query.room;
  return taken < options_.concurrency ? options_.concurrency - static_cast<std::uint32_t>(taken)
                                      : 0;
}

bool RunnerRules::Claiming() const {
  return std::any_of(queries_.begin(), queries_.end(), [](const auto& entry) {
    return entry.second.asks != Asks::kOwn && entry.second.asks != Asks::kItem;
  });
}

Duration RunnerRules::HalfToWhole() const {
  return std::chrono::duration_cast<Duration>(options_.poll_interval *
                                              (0.5 + options_.random() / 2));
}

// Asks for all that there is room for: what the pod has already, what its predecessors had, and
// what others have left.
void RunnerRules::Fill(Time now) {
  if (!Takes()) return;
  LookAtWanted(now);
  FillFromWaiting(now);
  FillFromPredecessors();
  if (!ramp_) return;
  if (const auto at = ramp_->ask_at(); at && *at <= now && Room() > 0) {
    const std::uint32_t limit = ramp_->Ask(Room());
    Do(work_action::ClaimOrphans{Ask({.asks = Asks::kOrphans, .room = limit}), limit});
  }
  if (list_at_ <= now && Room() > 0 && !Asking(Asks::kOwn)) {
    list_at_ = now + HalfToWhole();
    Do(work_action::ListOwn{Ask({.asks = Asks::kOwn})});
  }
}

void RunnerRules::FillFromWaiting(Time now) {
  for (auto& [key, waiting] : waiting_) {
    if (Room() == 0) return;
    if (waiting.asked || waiting.from > now) continue;
    waiting.asked = true;
    Do(work_action::Fetch{Ask({.asks = Asks::kItem, .key = key, .room = 1}), key});
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

void RunnerRules::Wait(const std::string& key, Fence fence, Time from) {
  for (const auto& [task, running] : running_) {
    if (running.item.key == key && running.item.fence >= fence) return;
  }
  if (const auto kept = kept_.find(key); kept != kept_.end() && kept->second >= fence) return;
  // What does not fit is found in a later list.
  if (waiting_.size() >= kMostWaiting && !waiting_.contains(key)) return;
  Waiting& waiting = waiting_.try_emplace(key, Waiting{fence, from}).first->second;
  waiting.fence = std::max(waiting.fence, fence);
}

std::optional<QueryId> RunnerRules::BeginSubmit() {
  if (!Takes() || waiting_.size() >= kMostWaiting) return std::nullopt;
  return Ask({.asks = Asks::kSubmission});
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

void RunnerRules::OnListed(Time now, QueryId id, const Result<std::map<std::string, Fence>>& own) {
  Answered(id);
  if (own) {
    for (const auto& [key, fence] : *own) Wait(key, fence, now);
  } else {
    list_at_ = std::min(list_at_, now + kAfterTrouble);
    Do(work_action::TellTrouble{own.error()});
  }
  Fill(now);
  Settle(now);
}

void RunnerRules::OnFetched(Time now, QueryId id, const Result<WorkItem>& item) {
  const Query query = Answered(id);
  const auto waiting = waiting_.find(query.key);
  if (!item && !SaysLost(item.error())) {
    if (waiting != waiting_.end()) waiting->second = {waiting->second.fence, now + kAfterTrouble};
    Do(work_action::TellTrouble{item.error()});
  } else {
    if (waiting != waiting_.end()) waiting_.erase(waiting);
    if (item) Have(now, query, {.item = *item});
  }
  Fill(now);
  Settle(now);
}

// An answer is no news if what it tells of runs here, ran since it was asked for, or was kept.
bool RunnerRules::IsKnown(const Query& query, const WorkItem& item) {
  const auto has = [&item](const std::map<std::string, Fence>& fences) {
    const auto found = fences.find(item.key);
    return found != fences.end() && found->second >= item.fence;
  };
  return has(query.ended) || has(kept_) ||
         std::any_of(running_.begin(), running_.end(), [&item](const auto& entry) {
           return entry.second.item.key == item.key && entry.second.item.fence >= item.fence;
         });
}

void RunnerRules::Have(Time now, const Query& query, Ownership ownership) {
  const WorkItem& item = ownership.item;
  if (item.state != WorkState::kOwned || item.owner != self_) return;
  if (!Takes() || IsKnown(query, item)) return;
  std::vector<TaskId> former;
  for (const auto& [task, running] : running_) {
    if (running.item.key == item.key) former.push_back(task);
  }
  for (const TaskId task : former) Lose(task);
  if (Room() == 0) return Wait(item.key, item.fence, now);
  waiting_.erase(item.key);
  ownership.owned_at = now;
  const TaskId task(++last_task_);
  running_.emplace(task, Running{.item = WithoutBytes(item)});
  Do(work_action::TellOwned{ownership});
  Do(work_action::Run{task, std::move(ownership.item)});
}

// --- What runs ---

void RunnerRules::Lose(TaskId task) {
  Running& running = running_.at(task);
  if (std::exchange(running.lost, true)) return;
  Do(work_action::Fire{task, true});
  if (running.again_at) End(task, TaskEnd::kLost);
}

void RunnerRules::OnFenced(Time now, TaskId task) {
  if (running_.contains(task)) Lose(task);
  Settle(now);
}

void RunnerRules::OnReturned(Time now, TaskId task, TaskResult result) {
  Running& running = running_.at(task);
  const bool sticky = running.item.traits.policy == RecoveryPolicy::kSticky;
  if (stopping_ && sticky && std::holds_alternative<GivenBack>(result)) result = Kept{};
  running.result = std::move(result);
  if (running.lost) {
    End(task, TaskEnd::kLost);
  } else if (std::holds_alternative<Kept>(*running.result)) {
    End(task, TaskEnd::kKept);
  } else {
    Write(task, running);
  }
  Fill(now);
  Settle(now);
}

void RunnerRules::Write(TaskId task, Running& running) {
  running.again_at.reset();
  Do(work_action::Finish{task, *running.result});
}

void RunnerRules::OnFinished(Time now, TaskId task, const std::optional<Error>& error) {
  const auto found = running_.find(task);
  if (found == running_.end()) return;
  Running& running = found->second;
  if (!error) {
    const bool refused = running.refused.has_value();
    End(task, EndOf(*running.result), refused ? running.refused : std::nullopt);
  } else if (running.lost || SaysLost(*error)) {
    End(task, TaskEnd::kLost, error);
  } else if (IsRetryable(*error)) {
    Do(work_action::TellTrouble{*error});
    running.again_at =
        now + Backoff(kAfterTrouble / 4, kMostAfterTrouble, running.failures++, options_.random);
  } else if (std::holds_alternative<Done>(*running.result)) {
    // A result that is too large, say: better to fail than to do it again for ever.
    running.refused = error;
    running.result = Failed{"it was done, and could not be completed: " + error->message};
    Write(task, running);
  } else {
    End(task, TaskEnd::kKept, error);
  }
  Fill(now);
  Settle(now);
}

void RunnerRules::End(TaskId task, TaskEnd end, const std::optional<Error>& why) {
  auto ended = running_.extract(task);
  WorkItem& item = ended.mapped().item;
  for (auto& [id, query] : queries_) {
    Fence& fence = query.ended[item.key];
    fence = std::max(fence, item.fence);
  }
  if (end == TaskEnd::kKept && kept_.size() < kMostWaiting) kept_[item.key] = item.fence;
  Do(work_action::Forget{task});
  Do(work_action::TellEnded{std::move(item), end, why});
}

// --- The end ---

bool RunnerRules::AllReturned() const {
  return std::all_of(running_.begin(), running_.end(),
                     [](const auto& entry) { return entry.second.result.has_value(); });
}

// What could not be written in time is handed over by leaving.
void RunnerRules::Settle(Time now) {
  if (!stopping() || leaving_) return;
  const bool late = now >= deadline_;
  if (!AllReturned()) {
    if (!late || std::exchange(reported_, true)) return;
    work_action::ReportUnreturned report;
    for (const auto& [task, running] : running_) {
      if (!running.result) report.keys.push_back(running.item.key);
    }
    return Do(std::move(report));
  }
  if (!late && !lost_ && (Claiming() || !running_.empty())) return;
  leaving_ = true;
  while (!running_.empty()) End(running_.begin()->first, lost_ ? TaskEnd::kLost : TaskEnd::kKept);
  Do(work_action::Leave{lost_ ? kLeaveLost : kLeave});
}

std::optional<Time> RunnerRules::next_wake() const {
  if (over_ || leaving_) return std::nullopt;
  Time wake = Time::max();
  for (const auto& [task, running] : running_) {
    if (running.again_at) wake = std::min(wake, *running.again_at);
  }
  if (stopping() && !reported_) wake = std::min(wake, deadline_);
  if (Takes()) {
    for (const auto& [key, wanted] : wanted_) {
      if (!wanted.asked) wake = std::min(wake, wanted.look_at);
    }
    if (Room() > 0) {
      for (const auto& [key, waiting] : waiting_) {
        if (!waiting.asked) wake = std::min(wake, waiting.from);
      }
      if (ramp_ && ramp_->ask_at()) wake = std::min(wake, *ramp_->ask_at());
      if (ramp_ && !Asking(Asks::kOwn)) wake = std::min(wake, list_at_);
    }
  }
  return wake == Time::max() ? std::nullopt : std::optional(wake);
}

}  // namespace vigil::client
