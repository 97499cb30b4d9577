#include "runner_driver.h"

#include <future>
#include <utility>

#include "backoff.h"
#include "own_error.h"
#include "runner_options.h"

namespace vigil::client {
namespace {

// Before the log is followed anew, when its subscription has ended.
constexpr Duration kFollowAgain = std::chrono::seconds(1);

// Never later than a clock can tell.
Time After(Time now, Duration duration) {
  return duration < Time::max() - now ? now + duration : Time::max();
}

}  // namespace

Runner::Driver::Driver(const Client& client, Options options, Callbacks callbacks)
    : client_(client),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      choice_(ChoiceOf(options_)),
      mistake_(FindMistake(options_)),
      work_(Work(client_, options_.pod.ns).While([this] { return alive_until(); })),
      rules_({.concurrency = options_.concurrency,
              .takes_over = options_.takes_over,
              .chooses = [this](const WorkItem& item) { return HasFunction(options_, item); },
              .poll_interval = options_.poll_interval,
              .failure_pause = options_.failure_pause,
              .random = SystemRandom()}) {
  if (mistake_) {
    OnLoop([](RunnerRules& rules, Time now) { rules.OnRefused(now); });
    return;
  }
  loop_.Post([this] { BeginSession(); });  // there, since its callbacks come there
  loop_.Flush();
}

Runner::Driver::~Driver() {
  BeginStop(Duration::max());
  closed_.Wait();
  // Calls ask the session whether they may go on.
  asks_.reset();
  takes_.reset();
  farewell_.reset();
  // The session's and the subscription's callbacks only post.
  session_.reset();
  subscription_.reset();
  loop_.Flush();
  callback_lane_.reset();
}

Result<Registration> Runner::Driver::AwaitRegistration() {
  if (mistake_) return tl::unexpected(*mistake_);
  return session_->AwaitRegistration();
}

std::optional<Time> Runner::Driver::alive_until() const {
  return session_ ? session_->alive_until() : std::nullopt;
}

Standing Runner::Driver::standing() const {
  return session_ ? session_->standing() : Standing{.state = SelfState::kRefused, .why = mistake_};
}

void Runner::Driver::Feed() const {
  if (session_) session_->Feed();
}

Result<Started> Runner::Driver::Submit(std::string_view key, std::string_view payload,
                                       const WorkTraits& traits) {
  const auto registration = AwaitRegistration();
  if (!registration) return tl::unexpected(registration.error());
  std::promise<std::optional<QueryId>> promise;
  bool stopping = false;
  loop_.Post([&] {
    Register(*registration);
    stopping = rules_.stopping();
    promise.set_value(rules_.BeginSubmit(std::string(key)));
  });
  const auto query = promise.get_future().get();
  if (!query) return tl::unexpected(NotTaken(stopping));
  auto started = work_.Start(registration->pod.incarnation, key, payload, traits);
  OnLoop(
      [id = *query, started](RunnerRules& rules, Time now) { rules.OnStarted(now, id, started); });
  return started;
}

void Runner::Driver::StandBy(WorkOrder order) {
  OnLoop([order = std::move(order)](RunnerRules& rules, Time now) { rules.OnStandBy(now, order); });
}

void Runner::Driver::BeginStop(Duration timeout) {
  OnLoop([timeout](RunnerRules& rules, Time now) { rules.OnStop(now, After(now, timeout)); });
}

RunnerEnd Runner::Driver::Wait() {
  MutexLock lock(mutex_);
  while (!end_) changed_.wait(mutex_);
  return *end_;
}

void Runner::Driver::Act() {
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

void Runner::Driver::BeginSession() {
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

void Runner::Driver::OnStanding(const Standing& standing) {
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

void Runner::Driver::Register(const Registration& registration) {
  if (std::exchange(registered_, true)) return;
  self_ = registration.pod.incarnation;
  rules_.OnRegistered(BootClock::now(), self_, registration.predecessors_work);
  FollowLog();
  Act();
}

void Runner::Driver::FollowLog() {
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
      Listeners());
}

Subscription::Callbacks Runner::Driver::Listeners() {
  return {.on_snapshot =
              [this](std::span<const Pod>, const Cursor&) {
                OnLoop([](RunnerRules& rules, Time now) { rules.OnFollowing(now); });
              },
          .on_events =
              [this](std::span<const Event> events, const Cursor&) {
                OnLoop([events](RunnerRules& rules, Time now) {
                  for (const Event& event : events) rules.OnEvent(now, event);
                });
                // One batch at a time: who falls behind is LAGGED, which `on_interrupted` tells.
                loop_.Flush();
              },
          .on_interrupted = [this](const Error& why) { Tell(callbacks_.on_trouble, why); },
          // It may not be destroyed by its own callback.
          .on_end =
              [this](const Error& why) {
                Tell(callbacks_.on_trouble, why);
                loop_.PostAt(BootClock::now() + kFollowAgain, [this] { FollowLog(); });
              }};
}

// --- The end ---

void Runner::Driver::Do(const work_action::Leave& leave) {
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

void Runner::Driver::Do(work_action::ReportUnreturned& report) {
  {
    MutexLock lock(mutex_);
    end_ = RunnerEnd{state_, false, why_, std::move(report.keys)};
  }
  changed_.notify_all();
}

void Runner::Driver::Do(const work_action::Over&) {
  if (state_ == SelfState::kLeft && rules_.lost()) state_ = SelfState::kLost;
  const RunnerEnd end{
      mistake_ ? SelfState::kRefused : state_, left_, mistake_ ? mistake_ : why_, {}};
  {
    MutexLock lock(mutex_);
    end_ = end;
  }
  changed_.notify_all();
  if (callbacks_.on_over) callback_lane_->PostSurely([this, end] { callbacks_.on_over(end); });
}

void Runner::Driver::CloseWhenOver() {
  if (rules_.over() && tasks_.empty()) closed_.Set();
}

// --- Words ---

void Runner::Driver::Do(const work_action::TellEnded& tell) {
  Tell(callbacks_.on_ended, tell.item, tell.end, tell.why);
}
void Runner::Driver::Do(const work_action::TellStandingBy& tell) {
  Tell(callbacks_.on_standing_by, tell.item);
}
void Runner::Driver::Do(const work_action::TellCompletedElsewhere& tell) {
  Tell(callbacks_.on_completed_elsewhere, tell.item);
}
void Runner::Driver::Do(const work_action::TellTrouble& tell) {
  Tell(callbacks_.on_trouble, tell.why);
}

void Runner::Driver::TellLeftOut(std::size_t count) const {
  if (!callbacks_.on_trouble) return;
  callbacks_.on_trouble(MakeError(
      Code::kResourceExhausted,
      std::to_string(count) + " callbacks were left out, since 1,000 waited for one that took long",
      "Let callbacks return soon."));
}

}  // namespace vigil::client
