#include "vigil/subscription.h"

#include <atomic>
#include <map>
#include <utility>

#include "convert.h"
#include "core.h"
#include "inquiry.h"
#include "lease_failures.h"
#include "reading_watch.h"
#include "reconnect_pace.h"
#include "subscription_ends.h"
#include "subscription_options.h"
#include "subscription_stream.h"

namespace vigil::client {
namespace {

constexpr Duration kInquiryPatience = std::chrono::seconds(1);

}  // namespace

// Follows the log. Everything but the public methods, and the application's callbacks, runs on the
// subscription's own loop: a callback that blocks holds up this subscription and nothing else.
//
// Invariants:
//   1. At most one stream is open.
//   2. `cursor_` is the position after the last callback that returned, and the only place to
//   resume from.
//   3. `closed_` is set when no callback will begin, and gRPC has nothing of the driver's any more.
class Subscription::Driver : public std::enable_shared_from_this<Driver> {
 public:
  Driver(std::shared_ptr<Core> core, Options options, Callbacks callbacks)
      : core_(std::move(core)),
        options_(std::move(options)),
        callbacks_(std::move(callbacks)),
        pace_(core_->random),
        reading_(options_.read_tolerance, core_->random),
        address_(core_->channels.preferred()) {
    if (const auto* cursor = std::get_if<Cursor>(&options_.start)) cursor_ = *cursor;
  }

  void Start() {
    loop_->Post([self = shared_from_this()] {
      if (const auto mistake = FindMistake(self->options_)) return self->Finish(*mistake);
      self->Connect();
    });
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
  // What was lost, from the first interruption to the first message after it.
  struct Interruption {
    Time since;
    std::uint64_t attempts = 0;
  };

  void Connect() {
    if (cancelled_) return;
    pace_.OnAttempt(BootClock::now());
    reading_.OnRead();
    if (interruption_) ++interruption_->attempts;
    snapshot_.clear();
    message_seen_ = false;
    end_ = {};
    SubscriptionStream::Handlers handlers{
        .on_message = [self = shared_from_this()](
                          const v1::SubscribeResponse& message) { self->Handle(message); },
        .on_end = [self = shared_from_this()](const grpc::Status& status) { self->Ended(status); }};
    stream_ = SubscriptionStream::Open(loop_, core_->channels.At(address_), Request(),
                                       std::move(handlers));
    Watch();
  }

  v1::SubscribeRequest Request() const {
    v1::SubscribeRequest request;
    request.set_namespace_(options_.ns);
    *request.mutable_filter() = ToProto(options_.filter);
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
      self->end_.silent = true;
      self->stream_->Cancel();
    });
  }

  void Handle(const v1::SubscribeResponse& message) {
    if (cancelled_ || end_.said) return;
    loop_->Cancel(watchdog_);
    if (message.has_end()) {
      end_.said = message.end();
      return Watch();
    }
    OnSuccess();
    switch (message.message_case()) {
      case v1::SubscribeResponse::kSnapshot:
        HandleSnapshot(message.snapshot());
        break;
      case v1::SubscribeResponse::kEvents:
        reading_.OnRead();
        Apply(Cursor(message.events().cursor()), callbacks_.on_events,
              std::span<const Event>(FromProtos<Event>(message.events().events())));
        break;
      case v1::SubscribeResponse::kPosition:
        HandlePosition(message.position());
        break;
      default:
        break;  // from a newer coordinator
    }
    Watch();
  }

  void OnSuccess() {
    if (std::exchange(message_seen_, true)) return;
    connected_once_ = true;
    failed_in_row_ = 0;
    core_->channels.Prefer(address_);
    const auto interruption = std::exchange(interruption_, std::nullopt);
    if (!interruption) return;
    Run(callbacks_.on_resumed,
        Resumption{core_->channels.addresses()[address_], cursor_.value_or(Cursor()),
                   BootClock::now() - interruption->since, interruption->attempts});
  }

  // The parts are delivered as one, with the cursor of the last.
  void HandleSnapshot(const v1::Snapshot& part) {
    for (const auto& pod : part.pods()) snapshot_.push_back(FromProto(pod));
    if (part.cursor().empty()) return;
    const std::vector<Pod> pods = std::exchange(snapshot_, {});
    Apply(Cursor(part.cursor()), callbacks_.on_snapshot, std::span<const Pod>(pods));
  }

  void HandlePosition(const v1::Position& message) {
    const Position position{Cursor(message.cursor()), Seq(message.seq()), Seq(message.head()),
                            Seq(message.oldest()), FromProto(message.read_age())};
    reading_.OnPosition(position.read_age);
    Run(callbacks_.on_position, position);
    cursor_ = position.cursor;
    if (reading_.WantsToAsk(BootClock::now())) LookForAReader();
  }

  // Asks all others at once, and follows the first that reads the log. Behind an only address there
  // may be others, too, at the end of a new connection.
  void LookForAReader() {
    if (cancelled_ || !inquiries_.empty()) return;
    reading_.OnAsked(BootClock::now());
    Channels& channels = core_->channels;
    if (channels.size() == 1) return Inquire(0, channels.Another(0, stream_->link()));
    for (std::size_t address = 0; address < channels.size(); ++address) {
      if (address != address_) Inquire(address, channels.At(address));
    }
  }

  void Inquire(std::size_t address, const std::shared_ptr<Link>& link) {
    const auto then = [self = shared_from_this(), address, link](bool serving) {
      self->inquiries_.erase(address);
      if (self->cancelled_) return self->TellWhenClosed();
      if (!serving) return self->core_->channels.Decline(link);
      self->MoveTo(address, link);
    };
    inquiries_.emplace(address, Inquiry::Send(loop_, link, kPodEvents, kInquiryPatience, then));
  }

  void MoveTo(std::size_t address, const std::shared_ptr<Link>& link) {
    const Time now = BootClock::now();
    if (!stream_ || end_.said || !reading_.WantsToMove(now)) return;
    core_->channels.Adopt(address, link);
    reading_.OnMove(now);
    end_.unread = true;
    next_address_ = address;
    stream_->Cancel();
  }

  template <class Callback, class Values>
  void Apply(Cursor after, const Callback& callback, Values values) {
    Run(callback, values, after);
    cursor_ = std::move(after);
  }

  template <class Callback, class... Values>
  void Run(const Callback& callback, const Values&... values) {
    if (callback && !cancelled_) callback(values...);
  }

  void Ended(const grpc::Status& status) {
    const auto link = std::exchange(stream_, nullptr)->link();
    loop_->Cancel(watchdog_);
    if (cancelled_) return TellWhenClosed();
    end_.status = status;
    const Error why = WhyEnded(end_, cursor_);
    // Who was known when the stream began may have another token by now.
    const bool token_withdrawn = why.reason == Reason::kCallerUnknown && message_seen_;
    if (!IsRetryable(why) && !token_withdrawn) return Finish(why);
    ++failed_in_row_;
    const bool first_round = !connected_once_ && !options_.retry_first;
    if (first_round && failed_in_row_ >= core_->channels.size()) return Finish(why);
    if (!first_round) {
      if (!interruption_) interruption_ = Interruption{BootClock::now()};
      Run(callbacks_.on_interrupted, why);
    }
    const auto said = end_.said ? end_.said->reason() : v1::END_REASON_UNSPECIFIED;
    // Where one name stands for several coordinators, only a new connection can lead to another.
    const bool alone = core_->channels.size() == 1;
    if (said == v1::END_REASON_DRAINING || (alone && IsOfOneCoordinator(why))) {
      core_->channels.Distrust(link);
    }
    Reconnect(said == v1::END_REASON_LAGGED);
  }

  void Reconnect(bool lagged) {
    const auto given = std::exchange(next_address_, std::nullopt);
    if (given) {
      address_ = *given;
    } else if (!lagged) {
      address_ = (address_ + 1) % core_->channels.size();
    }
    const Time now = BootClock::now();
    const Time paced = pace_.OnEnd(
        now, lagged || given ? ReconnectPace::Concerns::kThisOne : ReconnectPace::Concerns::kAll);
    // The first round over the other addresses is not slowed down: they have not failed yet.
    const bool fresh = !message_seen_ && failed_in_row_ < core_->channels.size();
    retry_ = loop_->PostAt(fresh ? now : paced, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->Connect();
    });
  }

  void Finish(const Error& why) {
    Run(callbacks_.on_end, why);
    cancelled_ = true;
    Close();
  }

  void Close() {
    loop_->Cancel(watchdog_);
    loop_->Cancel(retry_);
    if (stream_) stream_->Cancel();
    for (const auto& [address, inquiry] : inquiries_) inquiry->Cancel();
    TellWhenClosed();
  }

  void TellWhenClosed() {
    if (!stream_ && inquiries_.empty()) closed_.Set();
  }

  const std::shared_ptr<Core> core_;
  const Options options_;
  const Callbacks callbacks_;
  const std::shared_ptr<Loop> loop_ = std::make_shared<Loop>();
  std::atomic<bool> cancelled_ = false;
  Signal closed_;

  // On the loop only.
  ReconnectPace pace_;
  ReadingWatch reading_;
  std::size_t address_;
  // Where to go when the stream has ended; else to the one after `address_`.
  std::optional<std::size_t> next_address_;
  std::shared_ptr<SubscriptionStream> stream_;
  // At most one to each address.
  std::map<std::size_t, std::shared_ptr<Inquiry>> inquiries_;
  std::optional<Cursor> cursor_;
  std::vector<Pod> snapshot_;
  StreamEnd end_;
  TimerId watchdog_;
  TimerId retry_;
  bool message_seen_ = false;
  bool connected_once_ = false;
  std::optional<Interruption> interruption_;
  // Streams in a row that ended before a message came.
  std::size_t failed_in_row_ = 0;
};

Subscription::Subscription(const Client& client, Options options, Callbacks callbacks)
    : driver_(std::make_shared<Driver>(client.core_, std::move(options), std::move(callbacks))) {
  driver_->Start();
}

Subscription::~Subscription() { driver_->Destroy(); }

void Subscription::Cancel() { driver_->Cancel(); }

}  // namespace vigil::client
