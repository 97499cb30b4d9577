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
// How often to look whether a commit was acknowledged, and for how many intervals of commits.
constexpr Duration kProofInterval = std::chrono::milliseconds(50);
constexpr int kProofIntervals = 4;

size_t BytesOf(const Pod& pod) {
  size_t bytes = 128 + pod.name.size();
  for (const auto& [key, value] : pod.labels) bytes += 8 + key.size() + value.size();
  return bytes;
}

// The position that a subscriber has when it has got this message; nothing when that does not move
// it.
std::optional<Position> PositionAfter(const SubscriberMessage& message) {
  if (const auto* events = std::get_if<DeliveredEvents>(&message)) {
    return (*events)->cursor().position;
  }
  const auto* part = std::get_if<SnapshotPart>(&message);
  return part && part->cursor ? std::optional(part->cursor->position) : std::nullopt;
}

}  // namespace

Subscription::Subscription(const Environment& environment, SubscriptionRequest request,
                           std::shared_ptr<SubscriberStream> stream)
    : env_(environment),
      request_(std::move(request)),
      stream_(std::move(stream)),
      queue_(env_.settings.subscriber_queue) {}

Subscription::~Subscription() {
  if (phase_ == Phase::kLive) env_.log.Detach(request_.ns, this);
}

template <typename T>
Then<T> Subscription::IfStillHere(std::function<void(Result<T>)> then) {
  return [this, here = std::weak_ptr<int>(here_), then = std::move(then)](Result<T> outcome) {
    if (here.expired() || phase_ == Phase::kOver) return;
    then(std::move(outcome));
  };
}

void Subscription::Start() {
  if (const auto* cursor = std::get_if<Cursor>(&request_.start)) {
    Begin(cursor->position, {}, /*at_head=*/false);
  } else if (std::holds_alternative<FromOldest>(request_.start)) {
    StartAtOldest();
  } else {
    StartWithSnapshot();
  }
}

void Subscription::StartAtOldest() {
  Ask<std::vector<LogBounds>>(
      env_.replay, env_.scheduler,
      [ns = request_.ns](Store& store) { return store.ReadBounds({ns}); },
      IfStillHere<std::vector<LogBounds>>(
          [this, asked = env_.clock.Now()](Result<std::vector<LogBounds>> bounds) {
            if (!bounds) return Fail(std::move(bounds.error()));
            const auto& [start, head] = bounds->front();
            Begin(start, {{start.seq.value + 1}, head.seq, asked}, start == head);
          }));
}

void Subscription::StartWithSnapshot() {
  Ask<PodSnapshot>(
      env_.replay, env_.scheduler, [ns = request_.ns](Store& store) { return store.Snapshot(ns); },
      IfStillHere<PodSnapshot>([this, asked = env_.clock.Now()](Result<PodSnapshot> snapshot) {
        if (!snapshot) return Fail(std::move(snapshot.error()));
        const Position head = snapshot->head;
        const Seq oldest = snapshot->oldest;
        TakeSnapshot(std::move(*snapshot));
        Begin(head, {oldest, head.seq, asked}, /*at_head=*/true);
      }));
}

void Subscription::TakeSnapshot(PodSnapshot snapshot) {
  SnapshotPart part;
  size_t bytes = 0;
  for (Pod& pod : snapshot.pods) {
    if (!request_.filter.Passes(pod)) continue;
    bytes += BytesOf(pod);
    if (!part.pods.empty() && (part.pods.size() == kSnapshotPart || bytes > kLargestDelivery)) {
      paced_.emplace_back(std::exchange(part, {}));
      bytes = BytesOf(pod);
    }
    part.pods.push_back(std::move(pod));
  }
  part.cursor = Cursor{snapshot.head, request_.ns};
  paced_.emplace_back(std::move(part));
}

void Subscription::Begin(Position after, const LogReading& reading, bool at_head) {
  read_ = after;
  own_reading_ = reading;
  at_head_ = at_head;
  if (paced_.empty()) written_ = after;
  phase_ = Phase::kReplay;
  last_write_ = env_.clock.Now();
  TellPositionRegularly();
  WriteNext();
}

void Subscription::ReplayOrJoin() {
  if (replaying_) return;
  // Not before replay has come to the head: a reader that begins with this subscription would
  // deliver the past as fast as it reads, and not as fast as the subscriber does.
  if (at_head_ && env_.log.Attach(request_.ns, read_, own_reading_, this)) {
    phase_ = Phase::kLive;
    // A snapshot says by itself where it ends.
    if (!std::holds_alternative<FromNow>(request_.start)) TellPosition();
    return;
  }
  replaying_ = true;
  Read();
}

void Subscription::Read() {
  Ask<EventPage>(
      env_.replay, env_.scheduler,
      [ns = request_.ns, after = read_](Store& store) {
        return store.ReadEvents(ns, after, kReplayPage);
      },
      IfStillHere<EventPage>([this, asked = env_.clock.Now()](Result<EventPage> page) {
        if (!page) {
          CouldNotRead(std::move(page.error()));
        } else if (page->expired) {
          NotFound(*page, asked);
        } else {
          Took(std::move(*page), asked);
        }
      }));
}

void Subscription::Took(EventPage page, Instant asked) {
  replaying_ = false;
  missed_.reset();
  own_reading_ = {page.oldest, page.head, asked};
  at_head_ = page.events.empty() || page.events.back().seq >= page.head;
  for (const auto& batch : EventBatch::Split(request_.ns, std::move(page.events))) {
    read_ = batch->end();
    const auto& chosen = batch->For(request_.filter);
    if (!chosen->events().empty()) paced_.emplace_back(chosen);
  }
  WriteNext();
}

// Who has not read anything yet may do better elsewhere.
void Subscription::CouldNotRead(Error error) {
  if (own_reading_.at == Instant{} || !error.Is(reason::kDatabaseUnavailable)) {
    return Fail(std::move(error));
  }
  replay_timer_ = env_.scheduler.After(env_.settings.log_poll_interval, [this] { Read(); });
}

void Subscription::NotFound(const EventPage& page, Instant asked) {
  if (missed_) return End({EndReason::kExpired, std::nullopt, page.oldest, page.head});
  missed_ = asked;
  ReadAgainOnceProven();
}

void Subscription::ReadAgainOnceProven() {
  const Instant proven = env_.proof.sent();
  if (proven > *missed_) {
    Read();
  } else if (env_.clock.Now() - proven >= kProofIntervals * env_.settings.timing.ping_interval) {
    Fail(CoordinatorUntrusted("its position is not known to this coordinator's database"));
  } else {
    replay_timer_ = env_.scheduler.After(kProofInterval, [this] { ReadAgainOnceProven(); });
  }
}

void Subscription::OnEvents(const std::shared_ptr<const EventBatch>& batch) {
  read_ = batch->end();
  const auto& chosen = batch->For(request_.filter);
  if (chosen->events().empty()) {
    WriteNext();
  } else {
    Enqueue(chosen, chosen->bytes());
  }
}

void Subscription::OnDetached() {
  phase_ = Phase::kReplay;
  at_head_ = false;
  WriteNext();
}

void Subscription::Enqueue(SubscriberMessage message, size_t bytes) {
  if (phase_ == Phase::kOver) return;
  if (!queue_.Push(std::move(message), bytes)) {
    End({EndReason::kLagged, WrittenUpTo(), {}, {}});
    return;
  }
  WriteNext();
}

void Subscription::WriteNext() {
  if (writing_ || phase_ == Phase::kOver) return;
  SubscriberMessage message;
  if (!queue_.empty()) {
    message = queue_.Pop();
  } else if (!paced_.empty()) {
    message = std::move(paced_.front());
    paced_.pop_front();
  } else {
    written_ = read_;
    if (phase_ == Phase::kReplay) ReplayOrJoin();
    return;
  }
  if (const auto position = PositionAfter(message)) written_ = position;
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
    const bool silent =
        env_.clock.Now() - last_write_ >= env_.settings.position_interval && !writing_;
    if (silent && queue_.empty() && paced_.empty() && written_) TellPosition();
    TellPositionRegularly();
  });
}

void Subscription::TellPosition() {
  const LogReading reading =
      phase_ == Phase::kLive ? env_.log.LastReading(request_.ns) : own_reading_;
  const Seq head = std::max(reading.head, read_.seq);
  // Reading alone does not prove that it was the primary that answered.
  const Instant proven = std::min(reading.at, env_.proof.sent());
  Enqueue(PositionNotice{*WrittenUpTo(), reading.oldest, head, env_.clock.Now() - proven}, 0);
}

void Subscription::Finish() {
  if (phase_ == Phase::kLive) env_.log.Detach(request_.ns, this);
  phase_ = Phase::kOver;
  position_timer_ = nullptr;
  replay_timer_ = nullptr;
}

void Subscription::End(EndNotice notice) {
  Finish();
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
  if (phase_ != Phase::kOver) End({EndReason::kDraining, WrittenUpTo(), {}, {}});
}

std::optional<Cursor> Subscription::WrittenUpTo() const {
  return written_ ? std::optional(Cursor{*written_, request_.ns}) : std::nullopt;
}

}  // namespace vigil
