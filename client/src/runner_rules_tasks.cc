// What runs: how it ends, what is written of it, and how all of it is handed over.
#include <algorithm>
#include <utility>

#include "own_error.h"
#include "runner_rules.h"

namespace vigil::client {
namespace {

constexpr Duration kMostAfterTrouble = std::chrono::seconds(10);
constexpr Duration kLeave = std::chrono::seconds(5);
constexpr Duration kLeaveLost = std::chrono::seconds(2);

TaskEnd EndOf(const TaskResult& result) {
  if (std::holds_alternative<Done>(result)) return TaskEnd::kCompleted;
  if (std::holds_alternative<Failed>(result)) return TaskEnd::kFailed;
  if (std::holds_alternative<GivenBack>(result)) return TaskEnd::kReleased;
  return TaskEnd::kKept;
}

// Whoever releases it while he lives may be the one to whom it is given again; when he has left it
// goes to whom its policy says.
bool IsHandedOnByLeaving(const WorkItem& item) {
  return item.traits.policy == RecoveryPolicy::kSticky ||
         item.traits.policy == RecoveryPolicy::kAssign;
}

}  // namespace

void RunnerRules::Lose(TaskId task) {
  Running& running = running_.at(task);
  if (std::exchange(running.lost, true)) return;
  Do(work_action::Fire{task, true});
  if (running.write_at) End(task, TaskEnd::kLost);
}

void RunnerRules::LoseOvertaken(const std::string& key, Fence fence, bool given_up) {
  std::vector<TaskId> lost;
  for (const auto& [task, running] : running_) {
    if (running.item.key != key || fence < running.item.fence) continue;
    // With the same fence it is nobody's, which may be what is being written here.
    if (fence > running.item.fence || (given_up && !running.result)) lost.push_back(task);
  }
  for (const TaskId task : lost) Lose(task);
}

void RunnerRules::OnFenced(Time now, TaskId task) {
  if (running_.contains(task)) Lose(task);
  Settle(now);
}

// It is the pod's as before, and waits.
void RunnerRules::OnNotBegun(Time now, TaskId task) {
  const auto not_begun = running_.extract(task);
  no_thread_until_ = now + kAfterTrouble;
  const WorkItem& item = not_begun.mapped().item;
  if (!not_begun.mapped().lost) Wait(item.key, item.fence, no_thread_until_);
  Fill(now);
  Settle(now);
}

void RunnerRules::OnReturned(Time now, TaskId task, TaskResult result) {
  Running& running = running_.at(task);
  const bool given_back = std::holds_alternative<GivenBack>(result);
  if (ramp_ && given_back) ramp_->OnGivenBack(now);
  if (stopping_ && given_back && IsHandedOnByLeaving(running.item)) result = Kept{};
  running.result = std::move(result);
  if (running.lost) {
    End(task, TaskEnd::kLost);
  } else if (std::holds_alternative<Kept>(*running.result)) {
    End(task, TaskEnd::kKept);
  } else {
    Conclude(now, task, running);
  }
  Fill(now);
  Settle(now);
}

// A failure is written after a pause, so that an item which fails at once is not QUARANTINED within
// seconds for what is over in a minute. Nobody can have it meanwhile; when the runner stops others
// can at once.
void RunnerRules::Conclude(Time now, TaskId task, Running& running) {
  const bool failed = std::holds_alternative<Failed>(*running.result);
  if (!failed || stopping_ || options_.failure_pause == Duration::zero()) {
    return Write(task, running);
  }
  running.held = true;
  running.write_at = now + Backoff(options_.failure_pause, kLongestFailurePause,
                                   running.item.adoptions, options_.random);
}

void RunnerRules::Write(TaskId task, Running& running) {
  running.held = false;
  running.write_at.reset();
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
    running.write_at =
        now + Backoff(kAfterTrouble / 4, kMostAfterTrouble, running.failures++, options_.random);
  } else if (std::holds_alternative<Done>(*running.result)) {
    // A result that is too large, say: better to fail than to do it again for ever.
    running.refused = error;
    running.result = Failed{"it was done, and could not be completed: " + error->message};
    Conclude(now, task, running);
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
  // Neither is run again with this fence, whatever an answer says.
  if (end == TaskEnd::kKept) Keep(item);
  if (end == TaskEnd::kLost) NoteLost(item);
  if (end == TaskEnd::kCompleted && ramp_) ramp_->OnCompleted();
  Do(work_action::Forget{task});
  Do(work_action::TellEnded{std::move(item), end, why});
}

// What runs always fits, since Room() counts it; what is handed over at the end may not, and may be
// asked about once more.
void RunnerRules::Keep(const WorkItem& item) {
  if (kept_.size() >= kMostWaiting && !kept_.contains(item.key)) return;
  const auto [kept, added] = kept_.try_emplace(item.key, item.fence);
  kept->second = std::max(kept->second, item.fence);
  if (!added || kept_.size() < kMostWaiting || stopping()) return;
  Do(work_action::TellTrouble{
      MakeError(Code::kResourceExhausted, "10,000 items are kept here, and nothing more is begun",
                "Stop this runner, so that others have them, and begin a new one.")});
}

// Without its entry a question may be asked in vain, and no more, so that those of long ago may go.
void RunnerRules::NoteLost(const WorkItem& item) {
  if (were_lost_.size() >= kMostWaiting) were_lost_.clear();
  Fence& fence = were_lost_[item.key];
  fence = std::max(fence, item.fence);
}

// --- The end ---

void RunnerRules::OnRefused(Time now) {
  lost_ = true;
  leaving_ = true;
  OnLeft(now);
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
    for (auto& [task, running] : running_) {
      if (!running.lost && !running.result) Do(work_action::Fire{task, false});
      if (running.held) Write(task, running);
    }
    for (auto& [key, waiting] : waiting_) waiting.from = now;
    wanted_.clear();
    predecessors_.clear();
  }
  Fill(now);
  Settle(now);
}

void RunnerRules::OnLeft(Time) {
  if (!leaving_ || std::exchange(over_, true)) return;
  Do(work_action::Over{});
}

// When all have returned the pod leaves, which hands on the rest.
bool RunnerRules::HandsOver() const { return stopping_ && !lost_ && !leaving_ && !AllReturned(); }

// How each of them is to be handed over, a fresh answer says.
void RunnerRules::HandOverWaiting(Time now) {
  if (!HandsOver()) return;
  std::size_t unanswered = Unanswered(Asks::kWaiting);
  for (auto& [key, waiting] : waiting_) {
    if (unanswered >= kMostLooks) return;
    if (waiting.asked || waiting.from > now) continue;
    waiting.asked = true;
    Do(work_action::Fetch{Ask({.asks = Asks::kWaiting, .key = key, .fence = waiting.fence}), key});
    ++unanswered;
  }
}

void RunnerRules::HandOver(const WorkItem& item) {
  Keep(item);
  waiting_.erase(item.key);
  if (!HandsOver() || IsHandedOnByLeaving(item)) return;
  const QueryId query = Ask({.asks = Asks::kRelease, .key = item.key});
  Do(work_action::Release{query, item.key, item.fence});
}

// What cannot be released is handed on by leaving.
void RunnerRules::OnReleased(QueryId id, const std::optional<Error>& error) {
  Answered(id);
  if (error && !SaysLost(*error)) Do(work_action::TellTrouble{*error});
}

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

}  // namespace vigil::client
