#include "guard/guardian.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <optional>
#include <utility>
#include <variant>

#include "guard/command_process.h"
#include "guard/command_watchdog.h"
#include "guard/contender.h"
#include "guard/exit_code.h"
#include "guard/inbox.h"
#include "guard/progress.h"
#include "guard/signals.h"
#include "guard/words.h"

namespace vigil::client {
namespace {

using std::chrono::milliseconds;

// A main thread that hangs, because nobody reads its progress or a terminal is held, guards nobody:
// the pod is given up then. Longer than any call that it makes.
constexpr Duration kMainThreadWatchdog = std::chrono::seconds(8);
constexpr int kFeedMilliseconds = 1000;

// What the library's threads tell the main thread.
struct CompletedElsewhere {};
struct WallClockJump {
  Duration by;
};
using Told = std::variant<Standing, Incarnation, Ownership, WorkItem, CompletedElsewhere, Pause,
                          WallClockJump, Error>;

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
        work_(client, options.pod.ns),
        session_(client, Watched(options.pod),
                 {.on_change = [this](const Standing& standing) { inbox_.Post(standing); },
                  .on_waiting = [this](Incarnation incumbent) { inbox_.Post(incumbent); },
                  .on_pause = [this](const Pause& pause) { inbox_.Post(pause); },
                  .on_wall_clock_jump = [this](Duration by) { inbox_.Post(WallClockJump{by}); }}) {}

  ~Guardian() { close(signals_); }
  Guardian(const Guardian&) = delete;
  Guardian& operator=(const Guardian&) = delete;

  int Run() {
    while (!exit_code_) {
      session_.Feed();
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
        contender_ ? Resumed(standing) : Registered(standing);
        break;
      case SelfState::kSuspended:
        Say("suspended", "suspended: " + Text(standing.why) + "; looking for another coordinator",
            {{"incarnation", standing.incarnation.value()}});
        break;
      case SelfState::kLost:
        SayLost(standing);
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
    Say("waiting_for_name",
        "waiting for the verdict about incarnation " + Text(incumbent) + " of the name " +
            options_.pod.name,
        {{"incumbent", incumbent.value()}});
  }

  void On(const WorkItem& item) const {
    Say("standing_by",
        "standing by: " + item.key + " is owned by " + item.owner_name + " (incarnation " +
            Text(item.owner) + ")",
        {{"key", item.key},
         {"owner", item.owner.value()},
         {"owner_name", item.owner_name},
         {"fence", item.fence.value()}});
  }

  void On(const Ownership& ownership) {
    const WorkItem& item = ownership.item;
    fence_ = item.fence;
    if (ownership.claimed) {
      SayClaimed(progress_, ownership);
    } else {
      Say("started", "started " + item.key + " with fence " + Text(item.fence),
          {{"key", item.key}, {"fence", item.fence.value()}});
    }
    if (stop_signal_) return GiveBack();
    Spawn(item);
  }

  void On(CompletedElsewhere) {
    Say("completed_elsewhere", options_.key + " is completed", {{"key", options_.key}});
    LeaveAndExit(0);
  }

  void On(const Pause& pause) const { SayPaused(progress_, pause); }
  void On(const WallClockJump& jump) const { SayWallClockJumped(progress_, jump.by); }

  void On(const Error& trouble) const {
    Say("trouble", Describe(trouble),
        {{"reason", Name(trouble.reason)}, {"message", trouble.message}});
  }

  void Registered(const Standing& standing) {
    Say("registered",
        "registered as incarnation " + Text(standing.incarnation) + " at " + standing.address +
            " (coordinator " + Text(standing.coordinator) + ")",
        HostFields(standing));
    contender_.emplace(
        client_,
        Contender::Options{.ns = options_.pod.ns,
                           .key = options_.key,
                           .payload = options_.payload,
                           .self = standing.incarnation},
        Contender::Handlers{
            .on_owned = [this](const Ownership& had) { inbox_.Post(had); },
            .on_completed = [this](const WorkItem&) { inbox_.Post(CompletedElsewhere{}); },
            .on_standing_by = [this](const WorkItem& item) { inbox_.Post(item); },
            .on_trouble = [this](const Error& why) { inbox_.Post(why); }});
  }

  void Resumed(const Standing& standing) const {
    Say("alive",
        "alive at " + standing.address + " (coordinator " + Text(standing.coordinator) + ")",
        HostFields(standing));
  }

  // Said when the library tells it, so that what it told before is said before; but acted upon by
  // whoever finds it first.
  void SayLost(const Standing& standing) {
    Say("lost", "lost: " + Text(standing.why), {{"incarnation", standing.incarnation.value()}});
    lost_told_ = true;
    Lost(standing);
    if (!command_) LeaveAndExit(kRunLost);
  }

  void Lost(const Standing& standing) {
    if (std::exchange(lost_, true) || !command_) return;
    StopInTheMargin(standing);
  }

  void Refused(const Error& why) {
    Say("refused", "not registered: " + Describe(why) + ". " + why.hint,
        {{"reason", Name(why.reason)}, {"message", why.message}, {"hint", why.hint}});
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
    LeaveAndExit(kRunSignalled + number);
  }

  // --- The command ---

  void Spawn(const WorkItem& item) {
    const Standing standing = session_.standing();
    if (!standing.alive()) return;  // the standing that says LOST is in the inbox, or about to be
    auto spawned = CommandProcess::Spawn(options_.command, Environment(item, standing), watcher_,
                                         KillAt(standing));
    if (!spawned) {
      Say("failed", spawned.error().message, {{"message", spawned.error().message}});
      return LeaveAndExit(spawned.error().code == Code::kNotFound ? kRunNotFound
                                                                  : kRunCannotExecute);
    }
    command_.emplace(*spawned);
    watchdog_.Begin(command_->group(), BootClock::now());
    lease_kill_at_ = KillAt(standing);
    Say("running",
        "running " + options_.command.front() + " as process " + std::to_string(command_->group()),
        {{"key", item.key}, {"fence", item.fence.value()}, {"pid", command_->group()}});
  }

  std::map<std::string, std::string> Environment(const WorkItem& item,
                                                 const Standing& standing) const {
    std::string addresses;
    for (const std::string& address : client_.addresses())
      addresses += (addresses.empty() ? "" : ",") + address;
    std::map<std::string, std::string> environment = {
        {"VIGIL_ADDRESS", addresses},     {"VIGIL_NAMESPACE", options_.pod.ns},
        {"VIGIL_POD", options_.pod.name}, {"VIGIL_INCARNATION", Text(standing.incarnation)},
        {"VIGIL_WORK_KEY", item.key},     {"VIGIL_FENCE", Text(item.fence)},
        {"VIGIL_PAYLOAD", item.payload},  {"VIGIL_CHECKPOINT", item.checkpoint}};
    environment.merge(watchdog_.Environment());
    // An environment ends its values at a zero byte: better no value than half of one.
    std::erase_if(environment,
                  [](const auto& entry) { return entry.second.find('\0') != std::string::npos; });
    return environment;
  }

  static Duration StopMargin(const Standing& standing) {
    return standing.lease_until - standing.alive_until;
  }

  // A moment before the lease ends: the kernel needs one to end a group.
  static Time KillAt(const Standing& standing) {
    return standing.lease_until - StopMargin(standing) / 5;
  }

  // When the command is killed, as things stand.
  Time KillAt() const { return std::min(stop_kill_at_, lease_kill_at_); }

  // The lease moves on with every answered heartbeat; so does the watcher's deadline, always before
  // the lease's end. LOST stops the command.
  void WatchCommand() {
    const Standing standing = session_.standing();
    if (standing.state == SelfState::kLost) Lost(standing);
    // By the time of the last look: what came after a pause since then has not been read yet.
    if (looked_at_ >= StarvesAt()) Starved(standing);
    lease_kill_at_ = KillAt(standing);
    const Time kill_at = KillAt();
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

  // Like LOST, except that the pod still lives: it leaves when nothing of the command is left,
  // which hands its work on at once and surely not too early.
  void Starved(const Standing& standing) {
    starved_ = true;
    const auto ms = std::chrono::duration_cast<milliseconds>(options_.watchdog).count();
    Say("starved",
        options_.command.front() + " did not feed its watchdog of " + std::to_string(ms) + " ms",
        {{"pid", command_->group()}, {"watchdog_ms", ms}});
    StopInTheMargin(standing);
  }

  // Often enough that the watcher's deadline is moved long before it comes.
  Time NextLook() const {
    const Standing standing = session_.standing();
    const Time now = BootClock::now();
    const Time kill_at = KillAt();
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
    if (*code != 0 && session_.standing().state == SelfState::kLost) lost_ = true;
    if (lost_ && !lost_told_) return;  // the library is about to
    if (lost_) return LeaveAndExit(kRunLost);
    if (stop_signal_) return GiveBack();
    if (starved_) return LeaveAndExit(kRunStarved);
    if (*code == 0) return Complete();
    LeaveAndExit(*code);
  }

  // --- The end ---

  void Complete() {
    Result<WorkItem> completed = tl::unexpected(Error{});
    do {
      session_.Feed();
      completed = work_.Complete(session_.standing().incarnation, options_.key, fence_);
    } while (!completed && IsRetryable(completed.error()) && session_.standing().alive());
    if (completed) {
      Say("completed", "completed " + options_.key,
          {{"key", options_.key}, {"fence", fence_.value()}});
      return LeaveAndExit(0);
    }
    const Error& why = completed.error();
    Say("failed", "not completed: " + Describe(why) + ". " + why.hint,
        {{"reason", Name(why.reason)}, {"message", why.message}});
    const bool fenced = why.reason == Reason::kFenced || why.reason == Reason::kIncarnationEnded;
    LeaveAndExit(fenced ? kRunFenced : IsRetryable(why) ? kRunUnreachable : kRunFailed);
  }

  void GiveBack() {
    auto released = work_.Release(session_.standing().incarnation, options_.key, fence_);
    if (released) {
      Say("released", "released " + options_.key,
          {{"key", options_.key}, {"fence", fence_.value()}});
    } else {
      On(released.error());  // leaving hands it on as well
    }
    LeaveAndExit(kRunSignalled + *stop_signal_);
  }

  void LeaveAndExit(int code) {
    exit_code_ = code;
    const auto left = session_.Leave(lost_ ? std::chrono::seconds(2) : std::chrono::seconds(5));
    if (left) {
      Say("left", "left", {{"incarnation", session_.standing().incarnation.value()}});
    } else {
      On(left.error());
    }
  }

  // --- Words ---

  void Say(std::string_view event, std::string_view text, const Progress::Fields& fields) const {
    progress_.Say(event, text, fields);
  }

  const Client& client_;
  const RunOptions& options_;
  Watcher& watcher_;
  CommandWatchdog watchdog_;
  const Progress progress_;
  const int signals_;
  const Work work_;
  Inbox<Told> inbox_;

  Fence fence_;
  std::optional<CommandProcess> command_;
  std::optional<int> stop_signal_;
  bool lost_ = false;
  bool lost_told_ = false;
  bool unwatched_ = false;
  bool starved_ = false;
  // When the command is killed: because it was told to stop, and because the lease ends.
  Time stop_kill_at_ = Time::max();
  Time lease_kill_at_ = Time::max();
  std::optional<int> exit_code_;
  // When it last slept to the end.
  Time looked_at_{};

  PodSession session_;
  std::optional<Contender> contender_;
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
