// What stands between a runner's rules and the world.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>

#include "callback_lane.h"
#include "loop.h"
#include "mutex.h"
#include "runner_rules.h"
#include "task_run.h"
#include "vigil/runner.h"
#include "vigil/subscription.h"

namespace vigil::client {

// Carries out what the rules decide. They live on a loop that never blocks; calls are made on loops
// of their own, so that one that hangs holds up only its like; functions and what is written of
// them have their own threads; so have the application's callbacks.
//
// No call is sent, or waited for, beyond what the pod's lease covers.
class Runner::Driver {
 public:
  Driver(const Client& client, Options options, Callbacks callbacks);
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  Result<Registration> AwaitRegistration();
  std::optional<Time> alive_until() const;
  Standing standing() const;
  void Feed() const;
  Result<Started> Submit(std::string_view key, std::string_view payload, const WorkTraits& traits);
  void StandBy(WorkOrder order);
  void BeginStop(Duration timeout);
  RunnerEnd Wait();

 private:
  // Lets something happen to the rules, and does what they then want.
  template <class Happening>
  void OnLoop(Happening happening) {
    loop_.Post([this, happening = std::move(happening)] {
      happening(rules_, BootClock::now());
      Act();
    });
  }

  template <class... Values>
  void Tell(const std::function<void(Values...)>& callback,
            const std::type_identity_t<std::decay_t<Values>>&... values) {
    if (callback) callback_lane_->Post([&callback, values...] { callback(values...); });
  }

  void Act();

  // The pod, and the log.
  void BeginSession();
  void OnStanding(const Standing& standing);
  void Register(const Registration& registration);
  void FollowLog();
  Subscription::Callbacks Listeners();

  // What runs. A task that has ended meanwhile is told nothing.
  TaskRun::Handlers HandlersOf(TaskId task);
  template <class Order>
  void ToTask(TaskId task, Order order) {
    if (const auto found = tasks_.find(task); found != tasks_.end()) order(*found->second);
  }
  void Do(const work_action::Run& run);
  void Do(const work_action::Fire& fire);
  void Do(work_action::Finish& finish);
  void Do(const work_action::Forget& forget);

  // Calls.
  void Do(const work_action::ClaimOrphans& claim);
  void Do(const work_action::ListOwn& list);
  void Do(const work_action::Start& start);
  void Do(const work_action::Fetch& fetch);
  void Do(const work_action::Claim& claim);
  void Do(const work_action::Release& release);
  Result<OwnPage> ListOwn(const std::string& page_token) const;

  // The end.
  void Do(const work_action::Leave& leave);
  void Do(work_action::ReportUnreturned& report);
  void Do(const work_action::Over& over);
  void CloseWhenOver();

  // Words.
  void Do(const work_action::TellEnded& tell);
  void Do(const work_action::TellStandingBy& tell);
  void Do(const work_action::TellCompletedElsewhere& tell);
  void Do(const work_action::TellTrouble& tell);
  // In the turn of the callbacks that were left out.
  void TellLeftOut(std::size_t count) const;

  const Client client_;
  const Options options_;
  const Callbacks callbacks_;
  const WorkChoice choice_;
  const std::optional<Error> mistake_;
  const Work work_;

  Mutex mutex_;
  std::condition_variable_any changed_;
  std::optional<RunnerEnd> end_ VIGIL_GUARDED_BY(mutex_);
  // The rules are over, and no task has a thread any more.
  Signal closed_;

  // On the loop only.
  RunnerRules rules_;
  std::map<TaskId, std::unique_ptr<TaskRun>> tasks_;
  std::unique_ptr<Subscription> subscription_;
  TimerId timer_;
  bool registered_ = false;
  SelfState state_ = SelfState::kLeft;
  bool left_ = false;
  std::optional<Error> why_;

  // Written before the first call that reads it is posted.
  Incarnation self_;

  std::unique_ptr<CallbackLane> callback_lane_ =
      std::make_unique<CallbackLane>([this](std::size_t count) { TellLeftOut(count); });
  Loop loop_;
  // For what may take its time, and for what is wanted at once. As many calls wait there as the
  // rules leave unanswered.
  std::unique_ptr<Loop> asks_ = std::make_unique<Loop>();
  std::unique_ptr<Loop> takes_ = std::make_unique<Loop>();
  std::unique_ptr<Loop> farewell_ = std::make_unique<Loop>();
  std::unique_ptr<PodSession> session_;
};

}  // namespace vigil::client
