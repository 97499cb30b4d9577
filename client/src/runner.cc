#include "vigil/runner.h"

#include <future>
#include <type_traits>
#include <utility>

#include "backoff.h"
#include "loop.h"
#include "mutex.h"
#include "own_error.h"
#include "runner_options.h"
#include "runner_rules.h"
#include "task_run.h"
#include "vigil/subscription.h"

namespace vigil::client {
namespace {

// Before the log is followed anew, when its subscription has ended.
constexpr Duration kFollowAgain = std::chrono::seconds(1);
// Of the list of what the pod owns.
constexpr std::uint32_t kPageSize = 500;
constexpr int kMostPages = 40;

}  // namespace

// Carries out what the rules decide. They live on a loop that never blocks; calls are made on loops
// of their own, so that one that hangs holds up only its like; functions and what is written of
// them have their own threads; so have the application's callbacks.
class Runner::Driver {
 public:
  Driver(const Client& client, Options options, Callbacks callbacks)
      : client_(client),
        options_(std::move(options)),
        callbacks_(std::move(callbacks)),
        choice_(ChoiceOf(options_)),
        mistake_(FindMistake(options_)),
        work_(client_, options_.pod.ns),
        rules_({.concurrency = options_.concurrency,
                .takes_over = options_.takes_over,
                .chooses = [this](const WorkItem& item) { return Chooses(options_, item); },
                .poll_interval = options_.poll_interval,
                .random = SystemRandom()}) {
    if (mistake_) {
      OnLoop([](RunnerRules& rules, Time now) { rules.OnRefused(now); });
      return;
    }
    loop_.Post([this] { BeginSession(); });  // there, since its callbacks come there
    loop_.Flush();
  }

  ~Driver() {
    BeginStop(std::chrono::hours(24 * 365));
    closed_.Wait();
    // The session's and the subscription's callbacks only post.
    session_.reset();
    subscription_.reset();
    asks_.reset();
    takes_.reset();
    farewell_.reset();
    loop_.Flush();
    callback_loop_->Flush();
    callback_loop_.reset();
  }
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  Result<Registration> AwaitRegistration() {
    if (mistake_) return tl::unexpected(*mistake_);
    return session_->AwaitRegistration();
  }

  std::optional<Time> alive_until() const {
    return session_ ? session_->alive_until() : std::nullopt;
  }
  Standing standing() const {
    return session_ ? session_->standing()
                    : Standing{.state = SelfState::kRefused, .why = mistake_};
  }
  void Feed() const {
    if (session_) session_->Feed();
  }

  Result<Started> Submit(std::string_view key, std::string_view payload, const WorkTraits& traits) {
    const auto registration = AwaitRegistration();
    if (!registration) return tl::unexpected(registration.error());
    std::promise<std::optional<QueryId>> promise;
    bool stopping = false;
    loop_.Post([&] {
      Register(*registration);
      stopping = rules_.stopping();
      promise.set_value(rules_.BeginSubmit());
    });
    const auto query = promise.get_future().get();
    if (!query) return tl::unexpected(NotTaken(stopping));
    auto started = work_.Start(registration->pod.incarnation, key, payload, traits);
    OnLoop([id = *query, started](RunnerRules& rules, Time now) {
      rules.OnStarted(now, id, started);
    });
    return started;
  }

  void StandBy(WorkOrder order) {
    OnLoop(
        [order = std::move(order)](RunnerRules& rules, Time now) { rules.OnStandBy(now, order); });
  }

  void BeginStop(Duration timeout) {
    OnLoop([timeout](RunnerRules& rules, Time now) { rules.OnStop(now, now + timeout); });
  }

  RunnerEnd Wait() {
    MutexLock lock(mutex_);
    while (!end_) changed_.wait(mutex_);
    return *end_;
  }

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
    if (callback) callback_loop_->Post([&callback, values...] { callback(values...); });
  }

  void Act() {
    for (auto actions = rules_.TakeActions(); !actions.empty(); actions = rules_.TakeActions()) {
      for (WorkAction& each : actions) {
        std::visit([this](auto& wanted) { Do(wanted); }, each);
      }
    }
    loop_.Cancel(timer_);
    if (const auto wake = rules_.next_wake()) {
      timer_ = loop_.PostAt(*wake, [this] {
        rules_.OnTimer(BootClock::now());
        Act();
      });
    }
    CloseWhenOver();
  }

  // --- The pod, and the log ---

  void BeginSession() {
    session_ = std::make_unique<PodSession>(
        client_, options_.pod,
        PodSession::Callbacks{
            .on_change =
                [this](const Standing& standing) {
                  Tell(callbacks_.pod.on_change, standing);
                  loop_.Post([this, standing] { OnStanding(standing); });
                },
            .on_waiting = [this](Incarnation who) { Tell(callbacks_.pod.on_waiting, who); },
            .on_pause = [this](const Pause& pause) { Tell(callbacks_.pod.on_pause, pause); },
            .on_wall_clock_jump =
                [this](Duration by) { Tell(callbacks_.pod.on_wall_clock_jump, by); }});
  }

  void OnStanding(const Standing& standing) {
    if (rules_.over()) return;
    const Time now = BootClock::now();
    if (standing.alive() && !registered_) {
      Register(*session_->AwaitRegistration());  // settled before this was told
    } else if (standing.state == SelfState::kLost) {
      why_ = standing.why;
      state_ = SelfState::kLost;
      rules_.OnLost(now);
    } else if (standing.state == SelfState::kRefused) {
      why_ = standing.why;
      state_ = SelfState::kRefused;
      rules_.OnRefused(now);
    }
    Act();
  }

  void Register(const Registration& registration) {
    if (std::exchange(registered_, true)) return;
    self_ = registration.pod.incarnation;
    rules_.OnRegistered(BootClock::now(), self_, registration.predecessors_work);
    FollowLog();
    Act();
  }

  void FollowLog() {
    if (rules_.over()) return;
    subscription_ = std::make_unique<Subscription>(
        client_,
        Subscription::Options{
            .ns = options_.pod.ns,
            .start = FromNow{},
            .filter = {.kinds = {EventKind::kPodDied, EventKind::kPodLeft, EventKind::kWorkClaimed,
                                 EventKind::kWorkReleased, EventKind::kWorkCompleted,
                                 EventKind::kWorkQuarantined}},
            .retry_first = true},
        Subscription::Callbacks{
            .on_snapshot =
                [this](std::span<const Pod>, const Cursor&) {
                  OnLoop([](RunnerRules& rules, Time now) { rules.OnFollowing(now); });
                },
            .on_events =
                [this](std::span<const Event> events, const Cursor&) {
                  OnLoop([events = std::vector<Event>(events.begin(), events.end())](
                             RunnerRules& rules, Time now) {
                    for (const Event& event : events) rules.OnEvent(now, event);
                  });
                },
            .on_interrupted = [this](const Error& why) { Tell(callbacks_.on_trouble, why); },
            // It may not be destroyed by its own callback.
            .on_end =
                [this](const Error& why) {
                  Tell(callbacks_.on_trouble, why);
                  loop_.PostAt(BootClock::now() + kFollowAgain, [this] { FollowLog(); });
                }});
  }

  // --- What runs ---

  void Do(work_action::Run& run) {
    const TaskId task = run.task;
    TaskRun::Handlers handlers{
        .returned =
            [this, task](TaskResult result) {
              OnLoop([task, result = std::move(result)](RunnerRules& rules, Time now) {
                rules.OnReturned(now, task, result);
              });
            },
        .finished =
            [this, task](std::optional<Error> error) {
              OnLoop([task, error = std::move(error)](RunnerRules& rules, Time now) {
                rules.OnFinished(now, task, error);
              });
            },
        .fenced =
            [this, task] {
              OnLoop([task](RunnerRules& rules, Time now) { rules.OnFenced(now, task); });
            },
        .ended =
            [this, task] {
              loop_.Post([this, task] {
                tasks_.erase(task);
                CloseWhenOver();
              });
            }};
    const WorkFunction& function = FunctionFor(options_, run.item.traits.kind);
    auto begun = std::make_unique<TaskRun>(std::move(run.item), work_, *session_, function,
                                           std::move(handlers));
    if (begun->Begin()) {
      tasks_.emplace(task, std::move(begun));
      return;
    }
    Tell(callbacks_.on_trouble,
         MakeError(Code::kResourceExhausted, "the system has no thread for another work function",
                   "Raise the limit of threads, or lower the concurrency."));
    // Leaving hands it on; whoever releases it would be the first to have it again.
    rules_.OnReturned(BootClock::now(), task, Kept{});
  }

  // A task that was never begun has none.
  template <class Order>
  void ToTask(TaskId task, Order order) {
    if (const auto found = tasks_.find(task); found != tasks_.end()) order(*found->second);
  }
  void Do(const work_action::Fire& fire) {
    ToTask(fire.task, [&](TaskRun& task) { task.Fire(fire.lost); });
  }
  void Do(work_action::Finish& finish) {
    ToTask(finish.task, [&](TaskRun& task) { task.Finish(std::move(finish.result)); });
  }
  void Do(const work_action::Forget& forget) {
    ToTask(forget.task, [](TaskRun& task) { task.Forget(); });
  }

  // --- Calls ---

  void Do(const work_action::ClaimOrphans& claim) {
    asks_->Post([this, claim] {
      auto items = work_.ClaimOrphans(self_, claim.limit, choice_);
      OnLoop([id = claim.query, items = std::move(items)](RunnerRules& rules, Time now) {
        rules.OnClaimedOrphans(now, id, items);
      });
    });
  }

  void Do(const work_action::ListOwn& list) {
    asks_->Post([this, id = list.query] {
      OnLoop([id, own = ListOwn()](RunnerRules& rules, Time now) { rules.OnListed(now, id, own); });
    });
  }

  Result<std::map<std::string, Fence>> ListOwn() const {
    std::map<std::string, Fence> own;
    WorkQuery query{.owner = self_, .page_size = kPageSize};
    for (int pages = 0; pages < kMostPages; ++pages) {
      auto page = work_.List(query);
      if (!page) return tl::unexpected(std::move(page.error()));
      for (const WorkItem& item : page->items) {
        if (item.state == WorkState::kOwned && item.owner == self_) own[item.key] = item.fence;
      }
      query.page_token = page->next_page_token;
      if (query.page_token.empty()) break;
    }
    return own;
  }

  void Do(const work_action::Start& start) {
    asks_->Post([this, start] {
      auto started = work_.Start(self_, start.order.key, start.order.payload, start.order.traits);
      OnLoop([id = start.query, started = std::move(started)](RunnerRules& rules, Time now) {
        rules.OnStarted(now, id, started);
      });
    });
  }

  void Do(const work_action::Fetch& fetch) {
    takes_->Post([this, fetch] {
      OnLoop([id = fetch.query, item = work_.Get(fetch.key)](RunnerRules& rules, Time now) {
        rules.OnFetched(now, id, item);
      });
    });
  }

  void Do(const work_action::Claim& claim) {
    takes_->Post([this, claim] {
      auto claimed = work_.Claim(self_, claim.key, claim.expected_owner, claim.expected_fence);
      OnLoop([id = claim.query, claimed = std::move(claimed)](RunnerRules& rules, Time now) {
        rules.OnClaimed(now, id, claimed);
      });
    });
  }

  // --- The end ---

  void Do(const work_action::Leave& leave) {
    farewell_->Post([this, timeout = leave.timeout] {
      auto left = session_->Leave(timeout);
      loop_.Post([this, left = std::move(left)] {
        left_ = left.has_value();
        if (!left && !why_) why_ = left.error();
        rules_.OnLeft(BootClock::now());
        Act();
      });
    });
  }

  void Do(work_action::ReportUnreturned& report) {
    {
      MutexLock lock(mutex_);
      end_ = RunnerEnd{state_, false, why_, std::move(report.keys)};
    }
    changed_.notify_all();
  }

  void Do(const work_action::Over&) {
    if (state_ == SelfState::kLeft && rules_.lost()) state_ = SelfState::kLost;
    const RunnerEnd end{
        mistake_ ? SelfState::kRefused : state_, left_, mistake_ ? mistake_ : why_, {}};
    {
      MutexLock lock(mutex_);
      end_ = end;
    }
    changed_.notify_all();
    Tell(callbacks_.on_over, end);
  }
  void CloseWhenOver() {
    if (rules_.over() && tasks_.empty()) closed_.Set();
  }

  // --- Words ---

  void Do(const work_action::TellOwned& tell) { Tell(callbacks_.on_owned, tell.ownership); }
  void Do(const work_action::TellEnded& tell) {
    Tell(callbacks_.on_ended, tell.item, tell.end, tell.why);
  }
  void Do(const work_action::TellStandingBy& tell) { Tell(callbacks_.on_standing_by, tell.item); }
  void Do(const work_action::TellCompletedElsewhere& tell) {
    Tell(callbacks_.on_completed_elsewhere, tell.item);
  }
  void Do(const work_action::TellTrouble& tell) { Tell(callbacks_.on_trouble, tell.why); }

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

  std::unique_ptr<Loop> callback_loop_ = std::make_unique<Loop>();
  Loop loop_;
  // For what may take its time, and for what is wanted at once. At most a few calls wait there.
  std::unique_ptr<Loop> asks_ = std::make_unique<Loop>();
  std::unique_ptr<Loop> takes_ = std::make_unique<Loop>();
  std::unique_ptr<Loop> farewell_ = std::make_unique<Loop>();
  std::unique_ptr<PodSession> session_;
};

Runner::Runner(const Client& client, Options options, Callbacks callbacks)
    : driver_(std::make_unique<Driver>(client, std::move(options), std::move(callbacks))) {}

Runner::~Runner() = default;

Result<Registration> Runner::AwaitRegistration() { return driver_->AwaitRegistration(); }
std::optional<Time> Runner::alive_until() const { return driver_->alive_until(); }
Standing Runner::standing() const { return driver_->standing(); }
void Runner::Feed() noexcept { driver_->Feed(); }

Result<Started> Runner::Submit(std::string_view key, std::string_view payload,
                               const WorkTraits& traits) {
  return driver_->Submit(key, payload, traits);
}

void Runner::StandBy(std::string key, std::string payload, WorkTraits traits) {
  driver_->StandBy({std::move(key), std::move(payload), std::move(traits)});
}

RunnerEnd Runner::Stop(Duration timeout) {
  BeginStop(timeout);
  return Wait();
}

void Runner::BeginStop(Duration timeout) { driver_->BeginStop(timeout); }
RunnerEnd Runner::Wait() { return driver_->Wait(); }

}  // namespace vigil::client
