// What a runner runs, and what becomes of it, without a network, a thread or a clock.
//
// Intuition: there are two truths about an item, the database's and that of the function that runs
// here. The first may change at any time; the second ends only when the function returns. So what
// is known of the database's only ever fires a stop token, and an item is written, forgotten or
// handed over when its function has returned.
//
// An item is run because a fresh answer says that the pod owns it. Events, lists and the news of
// a predecessor only lead to a question. An answer may be older than what has happened since it was
// asked for, so each question remembers what was run to its end meanwhile.
//
// Where leaving hands an item on, at once and all of them in one transaction, nothing is released
// one by one: only while some function still runs.
//
// Rejected: to keep what was run for some time, and to ignore that. How long is long enough?
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "backoff.h"
#include "claim_ramp.h"
#include "runner_actions.h"
#include "runner_state.h"
#include "vigil/boot_clock.h"
#include "vigil/error.h"
#include "vigil/event.h"
#include "vigil/runner.h"
#include "vigil/work.h"

namespace vigil::client {

// Whether a refusal says that the item is not the caller's any more.
bool SaysLost(const Error& error);

// Events go in with the time at which they were seen, actions come out.
//
// Thread: none of its own; one caller at a time. `now` never goes back.
//
// Invariants:
//   1. At most `concurrency` items run, are finished, or are asked for in order to run. As many
//   more are held: their functions have failed, and that is not written yet.
//   2. Of a task come Run, at most one Fire that says lost, Finish when it has returned and is not
//   lost, and Forget once, in this order; of one that could not begin, Run alone.
//   3. Leave comes once, when every task that was run has returned; then Over.
//   4. At most one ClaimOrphans and one ListOwn are unanswered, kMostStarts Start, kMostLooks Fetch
//   of what runs, or of what is handed over; and for each key one Fetch of either use, and one
//   Start.
//   5. What waits to run, was kept or lost, is stood by for, or is being submitted, is at most
//   kMostWaiting items each. Nothing is begun of which it could not be remembered that it was kept.
class RunnerRules {
 public:
  struct Options {
    std::uint32_t concurrency = 1;
    // Whether to run what was not submitted here.
    bool takes_over = true;
    // Whether an orphan of the predecessors is one to take.
    std::function<bool(const WorkItem&)> chooses;
    Duration poll_interval = std::chrono::seconds(10);
    // As Runner::Options has it.
    Duration failure_pause = std::chrono::seconds(1);
    Random random;
  };

  static constexpr std::size_t kMostWaiting = 10'000;
  static constexpr std::uint32_t kMostStarts = 16;
  static constexpr std::uint32_t kMostLooks = 8;
  // How long after LOST a function that has not returned is reported.
  static constexpr Duration kLostPatience = std::chrono::seconds(10);
  static constexpr Duration kLongestFailurePause = std::chrono::minutes(1);
  // After a call that failed, before a question is asked again; and before another function is
  // begun, when the system had no thread for one.
  static constexpr Duration kAfterTrouble = std::chrono::seconds(1);

  explicit RunnerRules(Options options) : options_(std::move(options)) {}

  void OnRegistered(Time now, Incarnation self, const std::vector<WorkItem>& predecessors_work);
  void OnRefused(Time now);
  // The log is followed from here on.
  void OnFollowing(Time now);
  void OnEvent(Time now, const Event& event);
  void OnTimer(Time now);
  // The incarnation is LOST. The event of its end says so, too.
  void OnLost(Time now);
  void OnStop(Time now, Time deadline);
  void OnLeft(Time now);

  // A start that somebody else makes, and answers with OnStarted. Nothing when none may be made.
  std::optional<QueryId> BeginSubmit(std::string key);
  void OnStandBy(Time now, WorkOrder order);

  // Answers.
  void OnClaimedOrphans(Time now, QueryId query, Result<std::vector<WorkItem>> items);
  void OnListed(Time now, QueryId query, const Result<OwnPage>& own);
  void OnFetched(Time now, QueryId query, const Result<WorkItem>& item);
  void OnStarted(Time now, QueryId query, const Result<Started>& started);
  void OnClaimed(Time now, QueryId query, const Result<Claimed>& claimed);
  void OnReleased(QueryId query, const std::optional<Error>& error);

  // Of a task: the system has no thread for it; its function has returned; what was to be written
  // is, or is not; its item is somebody else's, as the refusal of a checkpoint said.
  void OnNotBegun(Time now, TaskId task);
  void OnReturned(Time now, TaskId task, TaskResult result);
  void OnFinished(Time now, TaskId task, const std::optional<Error>& error);
  void OnFenced(Time now, TaskId task);

  std::vector<WorkAction> TakeActions() { return std::exchange(actions_, {}); }
  // When to call OnTimer; nothing to wait for when absent.
  std::optional<Time> next_wake() const;
  bool over() const { return over_; }
  bool lost() const { return lost_; }
  bool stopping() const { return stopping_ || lost_; }

 private:
  using Running = runner_state::Running;
  using Asks = runner_state::Asks;
  using Query = runner_state::Query;
  using Waiting = runner_state::Waiting;
  using Wanted = runner_state::Wanted;

  bool Takes() const { return self_ && !stopping_ && !lost_; }
  std::uint32_t Room() const;
  template <class Action>
  void Do(Action action) {
    actions_.emplace_back(std::move(action));
  }
  QueryId Ask(Query query);
  Query Answered(QueryId query);
  std::size_t Unanswered(Asks what) const;
  bool IsAsked(Asks what, const std::string& key) const;
  // Whether a call is under way that may make an item the pod's.
  bool Claiming() const;
  Duration HalfToWhole() const;

  void Fill(Time now);
  void FillFromWaiting(Time now);
  void FillFromPredecessors();
  void FillFromOthers(Time now);
  void LookAtRunning(Time now);
  void LookAtWanted(Time now);
  void Start(Wanted& wanted);
  // How many items that are stood by for may be started now.
  std::size_t StartsLeft() const;
  void Wait(const std::string& key, Fence fence, Time from);
  // The item as an answer told it: runs it, or lets it wait, if it is the pod's.
  void Have(Time now, const Query& query, Ownership ownership);
  bool IsKnown(const Query& query, const WorkItem& item) const;
  void OnLookedAt(Time now, const Query& query, const Result<WorkItem>& item);

  void OnWorkEvent(Time now, const Event& event);
  void TellWanted(Time now, const Event& event);
  void Follow(Time now, Wanted& wanted, const Decision& decision, const Query& query,
              Ownership ownership);
  // It is for others, or for nobody.
  void TellNotNow(Wanted& wanted, const WorkItem& item);
  void ClaimWanted(Time now, Wanted& wanted, const client::Claim& claim, EventKind event,
                   Time event_at);

  void Lose(TaskId task);
  // What runs of the key, when its item has a higher fence by now, or this one and no owner.
  void LoseOvertaken(const std::string& key, Fence fence, bool given_up);
  // What its function has returned: writes it, now or later.
  void Conclude(Time now, TaskId task, Running& running);
  void Write(TaskId task, Running& running);
  void End(TaskId task, TaskEnd end, const std::optional<Error>& why = {});
  void Keep(const WorkItem& item);
  void NoteLost(const WorkItem& item);
  // What is the pod's while the runner stops, and was never run.
  void HandOver(const WorkItem& item);
  bool HandsOver() const;
  void HandOverWaiting(Time now);
  void Settle(Time now);
  bool AllReturned() const;

  const Options options_;
  Incarnation self_;
  bool lost_ = false;
  bool stopping_ = false;
  bool leaving_ = false;
  bool over_ = false;
  bool reported_ = false;
  Time deadline_ = Time::max();
  std::vector<WorkAction> actions_;

  std::uint64_t last_task_ = 0;
  std::uint64_t last_query_ = 0;
  std::map<TaskId, Running> running_;
  std::map<QueryId, Query> queries_;
  std::map<std::string, Waiting> waiting_;
  std::map<std::string, Fence> kept_;
  std::map<std::string, Fence> were_lost_;
  std::map<std::string, Wanted> wanted_;
  std::deque<WorkItem> predecessors_;
  std::optional<ClaimRamp> ramp_;
  Time list_at_ = Time::max();
  // Where the next list goes on; empty at the start.
  std::string list_from_;
  // Until then nothing is begun, and so nothing is claimed: there was no thread.
  Time no_thread_until_{};
};

}  // namespace vigil::client
