#include "vigil/subscription.h"

#include <atomic>
#include <utility>

#include "convert.h"
#include "core.h"
#include "own_error.h"
#include "reconnect_pace.h"
#include "status.h"
#include "subscription_stream.h"

namespace vigil::client {
namespace {

Error Expired() {
  return MakeError(
      Code::kOutOfRange,
      "EXPIRED: the cursor is older than the log retains, or of a history that was lost",
      "Start again from now, with a snapshot.");
}

}  // namespace

// Follows the log. Everything but the public methods, and the application's callbacks, runs on the
// subscription's own loop: a callback that blocks holds up this subscription and nothing else.
//
// Invariants:
//   1. At most one stream delivers; what an earlier one still has to say is ignored.
//   2. `cursor_` is the position after the last callback that returned, and the only place to
//   resume from.
class Subscription::Driver : public std::enable_shared_from_this<Driver> {
 public:
  Driver(std::shared_ptr<Core> core, Options options, Callbacks callbacks)
      : core_(std::move(core)),
        options_(std::move(options)),
        callbacks_(std::move(callbacks)),
        pace_(core_->random),
        address_(core_->channels.preferred()) {
    if (const auto* cursor = std::get_if<Cursor>(&options_.start)) cursor_ = *cursor;
  }

  void Start() {
    loop_->Post([self = shared_from_this()] { self->Connect(); });
  }

  void Cancel() {
    cancelled_ = true;
    loop_->Post([self = shared_from_this()] { self->Close(); });
  }

  void Destroy() {
    Cancel();
    if (loop_->RunsHere()) return;  // the loop ends with its last task
    closed_.Wait();
    loop_->Flush();
  }

 private:
  void Connect() {
    if (cancelled_) return;
    pace_.OnAttempt(BootClock::now());
    snapshot_.clear();
    message_seen_ = false;
    const std::uint64_t number = ++stream_number_;
    SubscriptionStream::Handlers handlers{
        .on_message =
            [self = shared_from_this(), number](const v1::SubscribeResponse& message) {
              if (number == self->stream_number_) self->Handle(message);
            },
        .on_end = [self = shared_from_this(),
                   number](const grpc::Status& status) { self->Ended(number, status); }};
    stream_ = SubscriptionStream::Open(loop_, core_->channels.At(address_), Request(),
                                       std::move(handlers));
    Watch();
  }

  v1::SubscribeRequest Request() const {
    v1::SubscribeRequest request;
    request.set_namespace_(options_.ns);
    if (cursor_) {
      request.set_after_cursor(cursor_->text());
    } else if (std::holds_alternative<FromOldest>(options_.start)) {
      request.mutable_from_oldest();
    } else {
      request.mutable_from_now();
    }
    return request;
  }

  // The idle watchdog: begins anew when a message has been applied, since nothing is read before
  // that.
  void Watch() {
    loop_->Cancel(watchdog_);
    watchdog_ = loop_->PostAt(BootClock::now() + options_.idle_timeout, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self || !self->stream_) return;
      self->core_->channels.Distrust(self->stream_->link());
      self->stale_ = true;
      self->stream_->Cancel();
    });
  }

  void Handle(const v1::SubscribeResponse& message) {
    if (cancelled_ || end_) return;
    if (!message_seen_) core_->channels.Prefer(address_);
    message_seen_ = true;
    connected_once_ = true;
    loop_->Cancel(watchdog_);
    switch (message.message_case()) {
      case v1::SubscribeResponse::kSnapshot:
        HandleSnapshot(message.snapshot());
        break;
      case v1::SubscribeResponse::kEvents:
        Apply(Cursor(message.events().cursor()), callbacks_.on_events,
              std::span<const Event>(FromProtos<Event>(message.events().events())));
        break;
      case v1::SubscribeResponse::kPosition: {
        const auto& position = message.position();
        Run([&] {
          if (!callbacks_.on_position) return;
          callbacks_.on_position(
              {Cursor(position.cursor()), Seq(position.head()), FromProto(position.read_age())});
        });
        cursor_ = Cursor(position.cursor());
        break;
      }
      case v1::SubscribeResponse::kEnd:
        end_ = message.end().reason();
        break;
      case v1::SubscribeResponse::MESSAGE_NOT_SET:
        break;  // from a newer coordinator
    }
    Watch();
  }

  // The parts are delivered as one, with the cursor of the last.
  void HandleSnapshot(const v1::Snapshot& part) {
    for (const auto& pod : part.pods()) snapshot_.push_back(FromProto(pod));
    if (part.cursor().empty()) return;
    const std::vector<Pod> pods = std::exchange(snapshot_, {});
    Apply(Cursor(part.cursor()), callbacks_.on_snapshot, std::span<const Pod>(pods));
  }

  template <class Callback, class Values>
  void Apply(Cursor after, const Callback& callback, Values values) {
    Run([&] {
      if (callback) callback(values, after);
    });
    cursor_ = std::move(after);
  }

  template <class Callback>
  void Run(Callback callback) {
    if (cancelled_) return;
    callback();
  }

  void Ended(std::uint64_t number, const grpc::Status& status) {
    if (number != stream_number_) return;
    stream_.reset();
    loop_->Cancel(watchdog_);
    if (cancelled_) return closed_.Set();
    const auto end = std::exchange(end_, std::nullopt);
    const bool stale = std::exchange(stale_, false);
    if (end == v1::END_REASON_EXPIRED) return Finish(Expired());
    const Error why = WhyEnded(end, stale, status);
    if (!IsRetryable(why)) return Finish(why);
    ++failed_in_row_;
    if (message_seen_) failed_in_row_ = 1;
    if (!connected_once_ && !options_.retry_first && failed_in_row_ >= core_->channels.size())
      return Finish(why);
    if (connected_once_ || options_.retry_first) {
      Run([&] {
        if (callbacks_.on_interrupted) callbacks_.on_interrupted(why);
      });
    }
    Reconnect(end == v1::END_REASON_LAGGED);
  }

  static Error WhyEnded(std::optional<v1::EndReason> end, bool stale, const grpc::Status& status) {
    if (end == v1::END_REASON_LAGGED) {
      return MakeError(Code::kUnavailable, "LAGGED: the subscription fell behind",
                       "Make the callbacks faster.");
    }
    if (end == v1::END_REASON_DRAINING) {
      return MakeError(Code::kUnavailable, "DRAINING: the coordinator is shutting down",
                       "Nothing: it is resumed elsewhere.");
    }
    if (stale) {
      return MakeError(Code::kDeadlineExceeded, "the coordinator was silent for too long",
                       "Look at the coordinator and at the network.");
    }
    if (!status.ok()) return FromStatus(status);
    return MakeError(Code::kUnavailable, "the coordinator ended the stream without a reason",
                     "Look at the log of the coordinator.");
  }

  void Reconnect(bool same_coordinator) {
    if (!same_coordinator) address_ = (address_ + 1) % core_->channels.size();
    const Time now = BootClock::now();
    // The first round over the other addresses is not slowed down: they have not failed yet.
    const bool fresh_address = failed_in_row_ < core_->channels.size() && !same_coordinator;
    const Time paced = pace_.OnEnd(now);
    const Time when = fresh_address && !message_seen_ ? now : paced;
    retry_ = loop_->PostAt(when, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->Connect();
    });
  }

  void Finish(const Error& why) {
    Run([&] {
      if (callbacks_.on_end) callbacks_.on_end(why);
    });
    cancelled_ = true;
    closed_.Set();
  }

  void Close() {
    loop_->Cancel(watchdog_);
    loop_->Cancel(retry_);
    if (stream_) return stream_->Cancel();
    closed_.Set();
  }

  const std::shared_ptr<Core> core_;
  const Options options_;
  const Callbacks callbacks_;
  const std::shared_ptr<Loop> loop_ = std::make_shared<Loop>();
  std::atomic<bool> cancelled_ = false;
  Signal closed_;

  // On the loop only.
  ReconnectPace pace_;
  std::size_t address_;
  std::shared_ptr<SubscriptionStream> stream_;
  std::uint64_t stream_number_ = 0;
  std::optional<Cursor> cursor_;
  std::vector<Pod> snapshot_;
  std::optional<v1::EndReason> end_;
  TimerId watchdog_;
  TimerId retry_;
  bool stale_ = false;
  bool message_seen_ = false;
  bool connected_once_ = false;
  std::size_t failed_in_row_ = 0;
};

Subscription::Subscription(const Client& client, Options options, Callbacks callbacks)
    : driver_(std::make_shared<Driver>(client.core_, std::move(options), std::move(callbacks))) {
  driver_->Start();
}

Subscription::~Subscription() { driver_->Destroy(); }

void Subscription::Cancel() { driver_->Cancel(); }

}  // namespace vigil::client
