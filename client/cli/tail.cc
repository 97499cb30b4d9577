#include "cli/tail.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <string>
#include <system_error>

#include "cli/incidents.h"
#include "cli/output.h"
#include "guard/inbox.h"
#include "guard/progress.h"

namespace vigil::client {
namespace {

// The signals that end it, as a descriptor. To be made before the first thread starts.
class StopSignals {
 public:
  StopSignals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    signal(SIGPIPE, SIG_IGN);
    fd_ = signalfd(-1, &set, SFD_CLOEXEC);
  }
  ~StopSignals() { close(fd_); }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  int fd() const { return fd_; }

 private:
  int fd_;
};

// Standard output, whose reader may be slow, and which one can stop waiting for.
//
// Thread safety: everything may be called from any thread.
class Output {
 public:
  Output() : stop_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Output() { close(stop_); }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // Writes all of it; or returns false, with the reason in errno: ECANCELED after Stop.
  bool Write(std::string_view text) {
    // A pipe that can be written takes so much without blocking.
    constexpr std::size_t kAtOnce = 4096;
    while (!text.empty()) {
      pollfd fds[] = {{STDOUT_FILENO, POLLOUT, 0}, {stop_, POLLIN, 0}};
      poll(fds, 2, -1);
      if (fds[1].revents != 0) {
        errno = ECANCELED;
        return false;
      }
      const ssize_t size = write(STDOUT_FILENO, text.data(), std::min(text.size(), kAtOnce));
      if (size < 0 && errno != EINTR && errno != EAGAIN) return false;
      if (size > 0) text.remove_prefix(static_cast<std::size_t>(size));
    }
    return true;
  }

  void Stop() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t size = write(stop_, &one, sizeof one);
  }

 private:
  const int stop_;
};

// One run. The callbacks write; the calling thread waits for whatever ends it, and speaks again
// when no callback runs any more.
class Tail {
 public:
  Tail(const Context& context, const TailOptions& options)
      : context_(context), options_(options), progress_(context.json(), STDERR_FILENO) {
    if (const auto* cursor = std::get_if<Cursor>(&options.start)) cursor_ = *cursor;
  }

  int Run() {
    const StopSignals signals;
    const auto client = context_.Connect();
    if (!client) return Fail(client.error());
    const bool stopped = Follow(*client, signals.fd());
    if (const auto codes = ended_.Take(); !codes.empty()) return codes.front();
    if (stopped) SayStopped();
    return kOk;  // also when nobody reads any more
  }

 private:
  // Until it ends by itself, nobody reads what it shows, or a signal stops it; true for a signal.
  bool Follow(const Client& client, int signals) {
    const Subscription subscription(
        client, {.ns = context_.ns, .start = options_.start, .filter = options_.filter},
        {.on_snapshot = [this](std::span<const Pod>, const Cursor& at) { ShowStart(at); },
         .on_events = [this](std::span<const Event> events,
                             const Cursor& after) { Show(events, after); },
         .on_position = [this](const Position& position) { OnPosition(position); },
         .on_interrupted = [this](const Error& why) { incidents_.OnInterrupted(why); },
         .on_resumed = [this](const Resumption& resumption) { incidents_.OnResumed(resumption); },
         .on_end = [this](const Error& why) { ended_.Post(OnEnd(why)); }});
    pollfd fds[] = {{signals, POLLIN, 0}, {ended_.fd(), POLLIN, 0}, {STDOUT_FILENO, 0, 0}};
    while (poll(fds, 3, -1) <= 0) {
    }
    output_.Stop();
    return fds[0].revents != 0;
  }

  void ShowStart(const Cursor& at) {
    std::string text;
    if (context_.json()) {
      text = JsonLine({{"kind", "START"}, {"cursor", at.text()}});
    } else if (options_.cursors) {
      text = CursorLine(at);
    }
    Print(text, at);
  }

  // The cursor stands on the last event of a batch only: that is where one may resume.
  void Show(std::span<const Event> events, const Cursor& after) {
    incidents_.OnEvents();
    std::string text;
    for (const Event& event : events) {
      if (!context_.json()) {
        text += EventLine(event);
        continue;
      }
      Json json = ToJson(event);
      if (&event == &events.back()) json["cursor"] = after.text();
      text += JsonLine(json);
    }
    if (options_.cursors && !context_.json()) text += CursorLine(after);
    if (Print(text, after)) EndAt(events.empty() ? Seq() : events.back().seq);
  }

  void OnPosition(const Position& position) {
    incidents_.OnPosition(position);
    std::string text;
    if (options_.cursors && position.cursor != cursor_) {
      text = context_.json() ? JsonLine(ToJson(position)) : CursorLine(position.cursor);
    }
    if (!replay_ends_) replay_ends_ = position.head;
    if (Print(text, position.cursor)) EndAt(position.seq);
  }

  // Without --follow all is shown at the head of when replay was first heard to be that far.
  void EndAt(Seq shown) {
    if (!options_.follow && replay_ends_ && shown >= *replay_ends_) ended_.Post(kOk);
  }

  static std::string CursorLine(const Cursor& cursor) { return "cursor  " + cursor.text() + "\n"; }

  // What was not written was not shown: whoever goes on gets it again.
  bool Print(const std::string& text, const Cursor& after) {
    if (failed_) return false;
    if (!output_.Write(text)) {
      failed_ = true;
      if (errno == EPIPE || errno == ECANCELED) return false;  // nobody wants it any more
      ended_.Post(FailWith({Code::kDataLoss,
                            Reason::kNone,
                            "standard output: " + std::generic_category().message(errno),
                            GoOn(),
                            {}}));
      return false;
    }
    std::lock_guard lock(mutex_);
    cursor_ = after;
    return true;
  }

  int FailWith(const Error& why) {
    if (!context_.json()) return Fail(why);
    progress_.Say("failed", "",
                  {{"code", Name(why.code)},
                   {"reason", Name(why.reason)},
                   {"message", why.message},
                   {"hint", why.hint},
                   {"metadata", why.metadata}});
    return ExitCodeFor(why);
  }

  int OnEnd(Error why) {
    if (why.code == Code::kOutOfRange) {
      why.hint =
          "Give --oldest to go on with what is retained, or --follow alone for what happens from "
          "now on. What lies between is lost.";
    }
    return FailWith(why);
  }

  std::string GoOn() {
    std::lock_guard lock(mutex_);
    return cursor_.empty() ? std::string("nothing was shown yet")
                           : "go on with --after " + cursor_.text();
  }

  void SayStopped() {
    const std::string go_on = GoOn();
    std::lock_guard lock(mutex_);
    progress_.Say("stopped", "stopped; " + go_on, {{"cursor", cursor_.text()}});
  }

  const Context& context_;
  const TailOptions& options_;
  const Progress progress_;
  Incidents incidents_{progress_};
  Output output_;
  Inbox<int> ended_;
  bool failed_ = false;
  std::optional<Seq> replay_ends_;

  std::mutex mutex_;
  Cursor cursor_;  // after what was shown last; written by callbacks, under mutex_
};

}  // namespace

int RunTail(const Context& context, const TailOptions& options) {
  return Tail(context, options).Run();
}

}  // namespace vigil::client
