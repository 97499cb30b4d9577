#include "coordinator/subscription.h"

#include <algorithm>
#include <utility>

#include "core/errors.h"

namespace vigil {
namespace {

constexpr uint32_t kReplayPage = 512;
// How long a subscriber that does not read may take to hear why it is dropped.
constexpr Duration kEndPatience = std::chrono::seconds(10);
// How often to look whether a commit was acknowledged, and for how many intervals of commits.
constexpr Duration kProofInterval = std::chrono::milliseconds(50);
constexpr int kProofIntervals = 4;
// After which one that does not read at all is given up, in replay, too.
constexpr Duration kLongestWrite = std::chrono::hours(2);

// The position that a subscriber has when it has got this message; nothing when that does not move
// it.
std::optional<Position> PositionAfter(const SubscriberMessage& message) {
  if (const auto* events = std::get_if<DeliveredEvents>(&message)) {
    return (*events)->cursor().position;
  }
  const auto* pods = std::get_if<DeliveredPods>(&message);
  return pods && (*pods)->cursor ? std::optional((*pods)->cursor->position) : std::nullopt;
}

SubscriptionEnd EndOf(EndReason reason) {
  switch (reason) {
    case EndReason::kExpired:
      return SubscriptionEnd::kExpired;
    case EndReason::kLagged:
      return SubscriptionEnd::kLagged;
    case EndReason::kDraining:
      break;
  }
  return SubscriptionEnd::kDraining;
}

// A notice says where the log stands, and so is for those who may follow it.
void WriteEnd(SubscriberStream& stream, const SubscriptionRequest& request,
              const EndNotice& notice) {
  auto refusal = request.refusal ? request.refusal() : std::nullopt;
  if (!refusal) stream.Write(notice);
  stream.End(std::move(refusal));
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

template <typename T>
void Subscription::AskStore(std::function<Result<T>(Store&)> work,
                            std::function<void(Result<T>)> then) {
  Ask<T>(
      env_.replay, env_.scheduler,
      [here = std::weak_ptr<int>(here_), work = std::move(work)](Store& store) -> Result<T> {
        if (here.expired()) return vigil::Fail(CoordinatorUntrusted("nobody waits for it"));
        return work(store);
      },
      IfStillHere<T>(std::move(then)));
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
  AskStore<std::vector<LogBounds>>(
      [ns = request_.ns](Store& store) { return store.ReadBounds({ns}); },
      [this, asked = env_.clock.Now()](Result<std::vector<LogBounds>> bounds) {
        if (!bounds) return Fail(std::move(bounds.error()));
        const auto& [start, head] = bounds->front();
        Begin(start, {{start.seq.value + 1}, head.seq, asked}, start == head);
      });
}

void Subscription::StartWithSnapshot() {
  env_.snapshots.Get(
      request_.ns, IfStillHere<Snapshots::Shared>([this](Result<Snapshots::Shared> snapshot) {
        if (!snapshot) return Fail(std::move(snapshot.error()));
        snapshot_ = std::move(*snapshot);
        const bool fresh =
            env_.clock.Now() - snapshot_->reading().at < env_.settings.log_poll_interval;
        Begin(snapshot_->head(), snapshot_->reading(), fresh);
      }));
}

void Subscription::Begin(Position after, const LogReading& reading, bool at_head) {
  read_ = after;
  own_reading_ = reading;
  at_head_ = at_head;
  if (!snapshot_) written_ = after;
  phase_ = Phase::kReplay;
  last_write_ = env_.clock.Now();
  TellPositionRegularly();
  WriteNext();
}

void Subscription::ReplayOrJoin() {
  if (replaying_) return;
  // Not before replay has come to the head: a reader that begins with this subscription would
  // deliver the past as fast as it reads, and not as fast as the subscriber does.
  if (std::exchange(at_head_, false)) {
    const auto since = env_.log.Attach(request_.ns, read_, own_reading_, this);
    if (since) phase_ = Phase::kLive;
    // The past is over, as far as it was known when it was read. A snapshot says so by itself.
    if (!std::holds_alternative<FromNow>(request_.start)) paced_.emplace_back(Standing());
    if (since) {
      for (const auto& batch : *since) TakePast(*batch);
      return WriteNext();
    }
  }
  replaying_ = true;
  Read();
  WriteNext();
}

void Subscription::Read() {
  AskStore<EventPage>([ns = request_.ns, after = read_](
                          Store& store) { return store.ReadEvents(ns, after, kReplayPage); },
                      [this, asked = env_.clock.Now()](Result<EventPage> page) {
                        if (!page) {
                          CouldNotRead(std::move(page.error()));
                        } else if (page->expired) {
                          NotFound(*page, asked);
                        } else {
                          Took(std::move(*page), asked);
                        }
                      });
}

void Subscription::Took(EventPage page, Instant asked) {
  replaying_ = false;
  missed_.reset();
  own_reading_ = {page.oldest, page.head, asked};
  at_head_ = page.events.empty() || page.events.back().seq >= page.head;
  for (const auto& batch : EventBatch::Split(request_.ns, std::move(page.events))) {
    TakePast(*batch);
  }
  WriteNext();
}

void Subscription::TakePast(const EventBatch& batch) {
  read_ = batch.end();
  const auto& chosen = batch.For(request_.filter);
  if (!chosen->events().empty()) paced_.emplace_back(chosen);
}

// Who has not read anything yet may do better elsewhere.
void Subscription::CouldNotRead(Error error) {
  const bool passes = error.Is(reason::kDatabaseUnavailable) || error.Is(reason::kLimitReached);
  if (own_reading_.at == Instant{} || !passes) return Fail(std::move(error));
  replay_timer_ = env_.scheduler.After(env_.settings.log_poll_interval, [this] { Read(); });
}

void Subscription::NotFound(const EventPage& page, Instant asked) {
  // What was the oldest has been pruned meanwhile.
  if (std::holds_alternative<FromOldest>(request_.start) && !told_anything_) {
    replaying_ = false;
    return StartAtOldest();
  }
  if (missed_) return End({EndReason::kExpired, std::nullopt, page.oldest, page.head});
  missed_ = asked;
  ReadAgainOnceProven();
}

void Subscription::ReadAgainOnceProven() {
  const Instant proven = env_.proof.sent();
  if (proven > *missed_) {
    Read();
  } else if (env_.clock.Now() - *missed_ >= kProofIntervals * env_.settings.timing.ping_interval) {
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
  if (auto refusal = request_.refusal ? request_.refusal() : std::nullopt) {
    return Fail(std::move(*refusal), SubscriptionEnd::kRefused);
  }
  SubscriberMessage message;
  if (snapshot_) {
    const auto [part, next] = snapshot_->From(snapshot_written_, request_.filter);
    snapshot_written_ = next;
    if (part->cursor) snapshot_ = nullptr;
    message = part;
  } else if (!paced_.empty()) {
    message = std::move(paced_.front());
    paced_.pop_front();
  } else if (!queue_.empty()) {
    message = queue_.Pop();
  } else {
    written_ = read_;
    if (phase_ == Phase::kReplay) ReplayOrJoin();
    return;
  }
  if (const auto position = PositionAfter(message)) written_ = position;
  writing_ = true;
  told_anything_ = true;
  last_write_ = env_.clock.Now();
  stream_->Write(message);
}

void Subscription::Written() {
  writing_ = false;
  if (const auto notice = std::exchange(ending_, std::nullopt)) {
    WriteEnd(*stream_, request_, *notice);
    return;
  }
  WriteNext();
}

void Subscription::TellPositionRegularly() {
  const Instant now = env_.clock.Now();
  const bool idle = !writing_ && queue_.empty() && paced_.empty() && written_;
  Duration wait = env_.settings.position_interval - (now - last_write_);
  if (wait <= Duration::zero()) {
    if (idle) {
      paced_.emplace_back(Standing());
      WriteNext();
    }
    wait = env_.settings.position_interval;
  }
  if (now - last_write_ > kLongestWrite) return End({EndReason::kLagged, WrittenUpTo(), {}, {}});
  position_timer_ = env_.scheduler.After(wait, [this] { TellPositionRegularly(); });
}

PositionNotice Subscription::Standing() const {
  const LogReading reading =
      phase_ == Phase::kLive ? env_.log.LastReading(request_.ns) : own_reading_;
  const Seq head = std::max(reading.head, read_.seq);
  // Reading alone does not prove that it was the primary that answered.
  const Instant proven = std::min(reading.at, env_.proof.sent());
  return {*WrittenUpTo(), reading.oldest, head, env_.clock.Now() - proven};
}

void Subscription::Finish(SubscriptionEnd end) {
  env_.measures.Ended(end);
  if (phase_ == Phase::kLive) env_.log.Detach(request_.ns, this);
  phase_ = Phase::kOver;
  position_timer_ = nullptr;
  replay_timer_ = nullptr;
}

void Subscription::End(EndNotice notice) {
  Finish(EndOf(notice.reason));
  end_timer_ = env_.scheduler.After(kEndPatience, [this] { stream_->Cancel(); });
  if (writing_) {
    ending_ = std::move(notice);
    return;
  }
  WriteEnd(*stream_, request_, notice);
}

void Subscription::Fail(Error error, SubscriptionEnd end) {
  Finish(end);
  end_timer_ = env_.scheduler.After(kEndPatience, [this] { stream_->Cancel(); });
  stream_->End(std::move(error));
}

void Subscription::Gone() {
  if (phase_ != Phase::kOver) env_.measures.Ended(SubscriptionEnd::kClosed);
}

void Subscription::Drain() {
  if (phase_ != Phase::kOver) End({EndReason::kDraining, WrittenUpTo(), {}, {}});
}

std::optional<Cursor> Subscription::WrittenUpTo() const {
  return written_ ? std::optional(Cursor{*written_, request_.ns}) : std::nullopt;
}

}  // namespace vigil
