#include "guard/guardian.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <future>
#include <optional>
#include <utility>
#include <variant>

#include "guard/command_lease.h"
#include "guard/command_process.h"
#include "guard/command_watchdog.h"
#include "guard/exit_code.h"
#include "guard/inbox.h"
#include "guard/progress.h"
#include "guard/signals.h"
#include "guard/words.h"
#include "vigil/runner.h"

namespace vigil::client {
namespace {

using std::chrono::milliseconds;

// A main thread that hangs, because nobody reads its progress or a terminal is held, guards nobody:
// the pod is given up then.
constexpr Duration kMainThreadWatchdog = std::chrono::seconds(8);
constexpr int kFeedMilliseconds = 1000;
// For what is still to be written before the pod leaves.
constexpr Duration kHandOver = std::chrono::seconds(5);

// What the library's threads tell the main thread.
struct CompletedElsewhere {};
struct Stopping {};
struct Ended {
  TaskEnd how;
  std::optional<Error> why;
};
struct WallClockJump {
  Duration by;
};
using Told = std::variant<Standing, Incarnation, Ownership, WorkItem, CompletedElsewhere, Stopping,
                          Ended, Pause, WallClockJump, Error, RunnerEnd>;

class Guardian {
 public:
  Guardian(const Client& client, const RunOptions& options, Watcher& watcher,
           CommandWatchdog watchdog)
      : client_(client),
        options_(options),
        watcher_(watcher),
        watchdog_(std::move(watchdog)),
        progress_(options.json, STDERR_FILENO),
        signals_(OpenSignals()),
        returned_(command_result_.get_future()),
        runner_(client,
                {.pod = Watched(options.pod),
                 // The command is of this process's main thread.
                 .functions = {{"", [this](const Task& task) { return Await(task); }}},
                 .takes_over = false,
                 .failure_pause = {}},
                Listeners()) {}

  ~Guardian() {
    Return(Kept{});  // the runner waits for the function
    close(signals_);
  }
  Guardian(const Guardian&) = delete;
  Guardian& operator=(const Guardian&) = delete;

  int Run() {
    while (!exit_code_) {
      runner_.Feed();
      Sleep();
      watchdog_.Read(BootClock::now());
      ReadSignals();
      for (const auto& message : inbox_.Take()) {
        if (exit_code_) break;
        std::visit([this](const auto& told) { On(told); }, message);
      }
      if (command_ && !exit_code_) WatchCommand();
    }
    return *exit_code_;
  }

 private:
  Runner::Callbacks Listeners() {
    return {
        .pod = {.on_change = [this](const Standing& standing) { inbox_.Post(standing); },
                .on_waiting = [this](Incarnation incumbent) { inbox_.Post(incumbent); },
                .on_pause = [this](const Pause& pause) { inbox_.Post(pause); },
                .on_wall_clock_jump = [this](Duration by) { inbox_.Post(WallClockJump{by}); }},
        .on_owned = [this](const Ownership& had) { inbox_.Post(had); },
        .on_ended =
            [this](const WorkItem&, TaskEnd how, const std::optional<Error>& why) {
              inbox_.Post(Ended{how, why});
            },
        .on_standing_by = [this](const WorkItem& item) { inbox_.Post(item); },
        .on_completed_elsewhere = [this](const WorkItem&) { inbox_.Post(CompletedElsewhere{}); },
        .on_trouble = [this](const Error& why) { inbox_.Post(why); },
        .on_over = [this](const RunnerEnd& end) { inbox_.Post(end); }};
  }

  // The work function, on a thread of the runner's.
  TaskResult Await(const Task& task) {
    const std::stop_callback stopping(task.stop_token(), [this] { inbox_.Post(Stopping{}); });
    return returned_.get();
  }

  static PodSession::Options Watched(PodSession::Options pod) {
    pod.watchdog = kMainThreadWatchdog;
    return pod;
  }

  void Sleep() {
    pollfd fds[] = {{signals_, POLLIN, 0}, {inbox_.fd(), POLLIN, 0}, {watchdog_.fd(), POLLIN, 0}};
    if (!command_) {
      poll(fds, 3, kFeedMilliseconds);
      looked_at_ = BootClock::now();
      return;
    }
    const Time due = NextLook();
    const auto left = std::chrono::ceil<milliseconds>(due - BootClock::now());
    poll(fds, 3, static_cast<int>(std::max<milliseconds::rep>(left.count(), 0)));
    // What kept this process from running, here or since the last look, may have kept the command
    // from it, too.
    const Time now = BootClock::now();
    const Time late_since = std::max(due, std::exchange(looked_at_, now));
    if (now - late_since > options_.watchdog / 4) watchdog_.Excuse(now);
  }

  // --- What the library tells ---

  void On(const Standing& standing) {
    switch (standing.state) {
      case SelfState::kAlive:
        std::exchange(registered_, true) ? SayMoved(progress_, standing) : Registered(standing);
        break;
      case SelfState::kSuspended:
        Say("suspended", "suspended: " + Text(standing.why) + "; looking for another coordinator",
            {{"incarnation", standing.incarnation.value()}});
        break;
      case SelfState::kLost:
        ToldLost(standing);
        break;
      case SelfState::kRefused:
        Refused(standing.why.value_or(Error{}));
        break;
      case SelfState::kJoining:
      case SelfState::kLeft:
        break;
    }
  }

  void On(Incarnation incumbent) const {
    SayWaitingForName(progress_, options_.pod.name, incumbent);
  }
  void On(const WorkItem& item) const { SayStandingBy(progress_, item); }
  void On(const Ownership& ownership) {
    const WorkItem& item = ownership.item;
    fence_ = item.fence;
    SayOwned(progress_, ownership);
    if (stop_signal_) return Leave(kRunSignalled + *stop_signal_, GivenBack{});
    Spawn(item);
  }

  void On(CompletedElsewhere) {
    Say("completed_elsewhere", options_.key + " is completed", {{"key", options_.key}});
    Leave(0);
  }

  // The pod is LOST, which is told, too; or somebody else has the item although the pod lives.
  void On(Stopping) {
    const Standing standing = runner_.standing();
    if (!standing.alive() || !command_ || fenced_) return;
    fenced_ = true;
    SayOfItem("fenced");
    StopInTheMargin(standing);
  }

  void On(const Ended& ended) {
    if (ended.how == TaskEnd::kCompleted) SayOfItem("completed");
    if (ended.how == TaskEnd::kReleased) SayOfItem("released");
    if (!completing_) {
      if (ended.how == TaskEnd::kFailed) SayOfItem("given_up");
      return;
    }
    if (ended.how == TaskEnd::kCompleted) return Leave(0);
    const Error why = ended.why ? *ended.why : unreached_.value_or(Error{});
    Say("failed", "not completed: " + Describe(why) + ". " + why.hint,
        {{"reason", Name(why.reason)}, {"message", why.message}});
    const bool lost = runner_.standing().state == SelfState::kLost;
    Leave(lost && unreached_            ? kRunUnreachable
          : ended.how == TaskEnd::kLost ? kRunFenced
                                        : kRunFailed);
  }

  // The pod has left, or cannot.
  void On(const RunnerEnd& end) {
    const bool lost = end.state == SelfState::kLost;
    if (lost && !lost_told_) SayLost(progress_, end.why, runner_.standing().incarnation);
    if (end.left) Say("left", "left", {{"incarnation", runner_.standing().incarnation.value()}});
    if (!end.left && end.why && !lost) On(*end.why);
    // That somebody else has the item may be heard of before that the pod is LOST.
    if (lost && fenced_) leaves_with_ = kRunLost;
    exit_code_ = leaves_with_.value_or(lost ? kRunLost : kRunFailed);
  }

  void On(const Pause& pause) const { SayPaused(progress_, pause); }
  void On(const WallClockJump& jump) const { SayWallClockJumped(progress_, jump.by); }

  void On(const Error& trouble) {
    if (completing_) unreached_ = trouble;
    SayTrouble(progress_, trouble);
  }

  void Registered(const Standing& standing) {
    SayRegistered(progress_, standing);
    runner_.StandBy(options_.key, options_.payload, options_.traits);
  }

  // Said when the library tells it, so that what it told before is said before; but acted upon by
  // whoever finds it first.
  void ToldLost(const Standing& standing) {
    SayLost(progress_, standing.why, standing.incarnation);
    lost_told_ = true;
    Lost(standing);
    if (!command_) Leave(kRunLost);
  }

  void Lost(const Standing& standing) {
    if (std::exchange(lost_, true) || !command_) return;
    StopInTheMargin(standing);
  }

  void Refused(const Error& why) {
    SayRefused(progress_, why);
    exit_code_ = why.reason == Reason::kNone ? kRunUnreachable : kRunRefused;
  }

  // --- Signals ---

  void ReadSignals() {
    signalfd_siginfo info{};
    while (read(signals_, &info, sizeof info) == sizeof info) {
      const int number = static_cast<int>(info.ssi_signo);
      if (number == SIGCHLD) {
        Reap();
      } else if (AsksToStop(number, command_.has_value())) {
        Stop(number);
      } else if (command_) {
        command_->Signal(number);
      }
      if (exit_code_) return;
    }
  }

  void Stop(int number) {
    if (!stop_signal_) stop_signal_ = number;
    if (command_) return StopCommand(number, BootClock::now() + options_.stop_timeout);
    Leave(kRunSignalled + number);
  }

  // --- The command ---

  void Spawn(const WorkItem& item) {
    const Standing standing = runner_.standing();
    if (!standing.alive()) return;  // the standing that says LOST is in the inbox, or about to be
    auto spawned =
        CommandProcess::Spawn(options_.command, Environment(item), watcher_, KillAt(standing));
    if (!spawned) {
      Say("failed", spawned.error().message, {{"message", spawned.error().message}});
      return Leave(spawned.error().code == Code::kNotFound ? kRunNotFound : kRunCannotExecute);
    }
    command_.emplace(*spawned);
    watchdog_.Begin(command_->group(), BootClock::now());
    lease_kill_at_ = KillAt(standing);
    Say("running",
        "running " + options_.command.front() + " as process " + std::to_string(command_->group()),
        {{"key", item.key}, {"fence", item.fence.value()}, {"pid", command_->group()}});
  }

  std::map<std::string, std::string> Environment(const WorkItem& item) const {
    auto environment = CommandEnvironment(client_.addresses(), item, options_.pod.name);
    environment.merge(watchdog_.Environment());
    return environment;
  }

  // When the command is killed, as things stand.
  Time KilledAt() const { return std::min(stop_kill_at_, lease_kill_at_); }

  // The lease moves on with every answered heartbeat; so does the watcher's deadline, always before
  // the lease's end. LOST stops the command.
  void WatchCommand() {
    const Standing standing = runner_.standing();
    if (standing.state == SelfState::kLost) Lost(standing);
    // By the time of the last look: what came after a pause since then has not been read yet.
    if (looked_at_ >= StarvesAt()) Starved(standing);
    lease_kill_at_ = KillAt(standing);
    const Time kill_at = KilledAt();
    if (BootClock::now() >= kill_at) command_->Signal(SIGKILL);
    if (watcher_.Guard(command_->group(), kill_at)) return;
    const auto replaced = watcher_.Replace();
    if (!replaced) {
      if (!std::exchange(unwatched_, true)) On(replaced.error());
      return;
    }
    unwatched_ = false;
    watcher_.Guard(command_->group(), kill_at);
    Say("watcher_replaced", "the watcher was killed; another one watches",
        {{"pid", command_->group()}});
  }

  // A command that was told to stop may be too busy with that to feed.
  Time StarvesAt() const {
    const bool told_to_stop = stop_kill_at_ != Time::max();
    return told_to_stop ? Time::max() : watchdog_.starves_at().value_or(Time::max());
  }

  // Like LOST, except that the pod still lives: it gives the item up when nothing of the command is
  // left, which hands its work on at once and surely not too early.
  void Starved(const Standing& standing) {
    starved_ = true;
    SayStarved(progress_, options_.command.front(), command_->group(), options_.watchdog);
    StopInTheMargin(standing);
  }

  // Often enough that the watcher's deadline is moved long before it comes.
  Time NextLook() const {
    const Standing standing = runner_.standing();
    const Time now = BootClock::now();
    const Time kill_at = KilledAt();
    const Time at_margin = lost_ ? kill_at : standing.alive_until;
    const Duration step =
        std::clamp<Duration>((at_margin - now) / 3, milliseconds(5), milliseconds(500));
    return std::min({now + step, std::max(kill_at, now + milliseconds(5)), StarvesAt()});
  }

  // SIGTERM, and a stop margin later SIGKILL.
  void StopInTheMargin(const Standing& standing) {
    StopCommand(SIGTERM, BootClock::now() + StopMargin(standing));
  }

  void StopCommand(int number, Time kill_at) {
    stop_kill_at_ = std::min(stop_kill_at_, kill_at);
    command_->Signal(number);
    command_->Signal(SIGCONT);  // a stopped command could not stop
  }

  void Reap() {
    if (!command_) return;
    const auto code = command_->Reap(watcher_);
    if (!code) return;
    command_.reset();
    watchdog_.End();
    Say("exited", options_.command.front() + " exited with " + std::to_string(*code),
        {{"code", *code}});
    // After a pause of its own the guardian hears of the command's end before that of the lease:
    // the watcher was in time for both.
    if (*code != 0 && runner_.standing().state == SelfState::kLost) lost_ = true;
    if (lost_ && !lost_told_) return;  // the library is about to
    if (lost_) return Leave(kRunLost);
    if (fenced_) return Leave(kRunFenced);
    if (stop_signal_) return Leave(kRunSignalled + *stop_signal_, GivenBack{});
    if (starved_) return Leave(kRunStarved, Failed{ReasonOfStarved(options_.watchdog)});
    if (*code != 0) return Leave(*code, Failed{ReasonOf(*code)});
    completing_ = true;
    Return(Done{});
  }

  // --- The end ---

  // What has become of the item, as far as the command is concerned. Only the first counts.
  void Return(TaskResult result) {
    if (!std::exchange(has_returned_, true)) command_result_.set_value(std::move(result));
  }

  // Nothing of the command is left, or it was never begun. Leaving hands on what is kept.
  void Leave(int code, TaskResult result = Kept{}) {
    if (leaves_with_) return;
    leaves_with_ = code;
    runner_.BeginStop(kHandOver);
    Return(std::move(result));
  }

  // --- Words ---

  void SayOfItem(const std::string& what) const {
    Say(what, what + " " + options_.key, {{"key", options_.key}, {"fence", fence_.value()}});
  }

  void Say(std::string_view event, std::string_view text, const Progress::Fields& fields) const {
    progress_.Say(event, text, fields);
  }

  const Client& client_;
  const RunOptions& options_;
  Watcher& watcher_;
  CommandWatchdog watchdog_;
  const Progress progress_;
  const int signals_;
  Inbox<Told> inbox_;

  Fence fence_;
  std::optional<CommandProcess> command_;
  std::optional<int> stop_signal_;
  bool lost_ = false;
  bool lost_told_ = false;
  bool unwatched_ = false;
  bool starved_ = false;
  bool fenced_ = false;
  // When the command is killed: because it was told to stop, and because the lease ends.
  Time stop_kill_at_ = Time::max();
  Time lease_kill_at_ = Time::max();
  bool registered_ = false;
  // The command has succeeded, and the item is not completed yet; the last call to do so failed.
  bool completing_ = false;
  std::optional<Error> unreached_;
  // With what to exit when the pod has left.
  std::optional<int> leaves_with_;
  std::optional<int> exit_code_;
  // When it last slept to the end.
  Time looked_at_{};

  bool has_returned_ = false;
  std::promise<TaskResult> command_result_;
  std::future<TaskResult> returned_;
  Runner runner_;
};

}  // namespace

int RunGuardian(const Client& client, const RunOptions& options, Watcher& watcher) {
  auto watchdog = CommandWatchdog::Open(options.watchdog);
  if (!watchdog) {
    Progress(options.json, STDERR_FILENO)
        .Say("failed", watchdog.error().message, {{"message", watchdog.error().message}});
    return kRunFailed;
  }
  return Guardian(client, options, watcher, std::move(*watchdog)).Run();
}

}  // namespace vigil::client
