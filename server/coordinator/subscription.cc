#include "coordinator/subscription.h"

#include <algorithm>
#include <utility>

#include "core/errors.h"

namespace vigil {
namespace {

constexpr uint32_t kReplayPage = 512;
constexpr size_t kSnapshotPart = 500;
// How long a subscriber that does not read may take to hear why it is dropped.
constexpr Duration kEndPatience = std::chrono::seconds(10);
// How often to look whether a commit was acknowledged.
constexpr Duration kProofInterval = std::chrono::milliseconds(50);

size_t BytesOf(const std::vector<Event>& events) {
  size_t bytes = 0;
  for (const Event& event : events) bytes += 64 + event.pod_name.size() + event.work_key.size();
  return bytes;
}

}  // namespace

Subscription::Subscription(const Environment& environment, std::string ns, SubscriptionStart start,
                           std::shared_ptr<SubscriberStream> stream)
    : env_(environment),
      ns_(std::move(ns)),
      start_(std::move(start)),
      stream_(std::move(stream)),
      queue_(env_.settings.subscriber_queue) {}

Subscription::~Subscription() {
  if (phase_ == Phase::kLive) env_.log.Detach(ns_, this);
}

template <typename T>
Then<T> Subscription::IfStillHere(std::function<void(Result<T>)> then) {
  return [this, here = std::weak_ptr<int>(here_), then = std::move(then)](Result<T> outcome) {
    if (here.expired() || phase_ == Phase::kOver) return;
    then(std::move(outcome));
  };
}

void Subscription::Start() {
  if (const auto* cursor = std::get_if<Cursor>(&start_)) {
    Begin(cursor->position, /*at_head=*/false);
  } else if (std::holds_alternative<FromOldest>(start_)) {
    StartAtOldest();
  } else {
    StartWithSnapshot();
  }
}

void Subscription::StartAtOldest() {
  Ask<std::vector<LogBounds>>(
      env_.lane, env_.scheduler, [ns = ns_](Store& store) { return store.ReadBounds({ns}); },
      IfStillHere<std::vector<LogBounds>>([this](Result<std::vector<LogBounds>> bounds) {
        if (bounds) {
          Begin(bounds->front().start, bounds->front().start == bounds->front().head);
        } else {
          Fail(std::move(bounds.error()));
        }
      }));
}

void Subscription::StartWithSnapshot() {
  Ask<PodSnapshot>(
      env_.lane, env_.scheduler, [ns = ns_](Store& store) { return store.Snapshot(ns); },
      IfStillHere<PodSnapshot>([this](Result<PodSnapshot> snapshot) {
        if (!snapshot) {
          Fail(std::move(snapshot.error()));
          return;
        }
        auto& pods = snapshot->pods;
        for (size_t i = 0; i < pods.size() || snapshot_.empty(); i += kSnapshotPart) {
          SnapshotPart part;
          const size_t end = std::min(i + kSnapshotPart, pods.size());
          part.pods.assign(
              std::make_move_iterator(pods.begin() + static_cast<std::ptrdiff_t>(i)),
              std::make_move_iterator(pods.begin() + static_cast<std::ptrdiff_t>(end)));
          if (end == pods.size()) part.cursor = At(snapshot->head);
          snapshot_.push_back(std::move(part));
        }
        Begin(snapshot->head, /*at_head=*/true);
      }));
}

void Subscription::Begin(Position after, bool at_head) {
  read_ = after;
  at_head_ = at_head;
  if (snapshot_.empty()) written_ = after;
  phase_ = Phase::kReplay;
  last_write_ = env_.clock.Now();
  TellPositionRegularly();
  WriteNext();
}

void Subscription::ReplayOrJoin() {
  if (replaying_) return;
  // Not before replay has come to the head: a reader that begins with this subscription would
  // deliver the past as fast as it reads, and not as fast as the subscriber does.
  if (at_head_ && env_.log.Attach(ns_, read_, this)) {
    phase_ = Phase::kLive;
    // A snapshot says by itself where it ends.
    if (!std::holds_alternative<FromNow>(start_)) TellPosition();
    return;
  }
  replaying_ = true;
  Read();
}

void Subscription::Read() {
  Ask<EventPage>(
      env_.lane, env_.scheduler,
      [ns = ns_, after = read_](Store& store) { return store.ReadEvents(ns, after, kReplayPage); },
      IfStillHere<EventPage>([this, asked = env_.clock.Now()](Result<EventPage> page) {
        if (page && page->expired) {
          NotFound(asked);
          return;
        }
        replaying_ = false;
        missed_.reset();
        at_head_ = page && (page->events.empty() || page->events.back().seq >= page->head);
        if (!page) {
          Fail(std::move(page.error()));
        } else if (page->events.empty()) {
          WriteNext();
        } else {
          OnEvents(std::make_shared<const std::vector<Event>>(std::move(page->events)));
        }
      }));
}

void Subscription::NotFound(Instant asked) {
  if (missed_) {
    End(EndReason::kExpired);
    return;
  }
  missed_ = asked;
  ReadAgainOnceProven();
}

void Subscription::ReadAgainOnceProven() {
  if (env_.link.committed() > *missed_) {
    Read();
  } else if (env_.link.Degraded(env_.clock.Now())) {
    Fail(CoordinatorUntrusted("its position is not known to this coordinator's database"));
  } else {
    proof_timer_ = env_.scheduler.After(kProofInterval, [this] { ReadAgainOnceProven(); });
  }
}

void Subscription::OnEvents(const EventBatch& events) {
  read_ = events->back().position();
  Enqueue(DeliveredEvents{events, At(read_)}, BytesOf(*events));
}

void Subscription::OnDetached() {
  phase_ = Phase::kReplay;
  at_head_ = false;
  WriteNext();
}

void Subscription::Enqueue(SubscriberMessage message, size_t bytes) {
  if (phase_ == Phase::kOver) return;
  if (!queue_.Push(std::move(message), bytes)) {
    End(EndReason::kLagged);
    return;
  }
  WriteNext();
}

void Subscription::WriteNext() {
  if (writing_ || phase_ == Phase::kOver) return;
  SubscriberMessage message;
  if (!snapshot_.empty()) {
    SnapshotPart part = std::move(snapshot_.front());
    snapshot_.pop_front();
    if (part.cursor) written_ = part.cursor->position;
    message = std::move(part);
  } else if (!queue_.empty()) {
    message = queue_.Pop();
    if (const auto* events = std::get_if<DeliveredEvents>(&message)) {
      written_ = events->cursor.position;
    }
  } else {
    if (phase_ == Phase::kReplay) ReplayOrJoin();
    return;
  }
  writing_ = true;
  last_write_ = env_.clock.Now();
  stream_->Write(message);
}

void Subscription::Written() {
  writing_ = false;
  if (const auto notice = std::exchange(ending_, std::nullopt)) {
    stream_->Write(*notice);
    stream_->End(std::nullopt);
    return;
  }
  WriteNext();
}

void Subscription::TellPositionRegularly() {
  position_timer_ = env_.scheduler.After(env_.settings.position_interval, [this] {
    const Instant now = env_.clock.Now();
    const bool silent = now - last_write_ >= env_.settings.position_interval;
    if (silent && !writing_ && queue_.empty() && phase_ == Phase::kLive) TellPosition();
    TellPositionRegularly();
  });
}

void Subscription::TellPosition() {
  const auto reading = env_.log.LastReading(ns_);
  const Seq head = std::max(reading.head, read_.seq);
  // Reading alone does not prove that it was the primary that answered.
  const Instant proven = std::min(reading.at, env_.link.committed());
  Enqueue(PositionNotice{At(*written_), head, env_.clock.Now() - proven}, 0);
}

void Subscription::Finish() {
  if (phase_ == Phase::kLive) env_.log.Detach(ns_, this);
  phase_ = Phase::kOver;
  position_timer_ = nullptr;
  proof_timer_ = nullptr;
}

void Subscription::End(EndReason reason) {
  Finish();
  EndNotice notice{reason, std::nullopt};
  if (reason != EndReason::kExpired && written_) notice.cursor = At(*written_);
  end_timer_ = env_.scheduler.After(kEndPatience, [this] { stream_->Cancel(); });
  if (writing_) {
    ending_ = std::move(notice);
    return;
  }
  stream_->Write(notice);
  stream_->End(std::nullopt);
}

void Subscription::Fail(Error error) {
  Finish();
  stream_->End(std::move(error));
}

void Subscription::Drain() {
  if (phase_ != Phase::kOver) End(EndReason::kDraining);
}

Cursor Subscription::At(Position position) const { return {position, ns_}; }

}  // namespace vigil
