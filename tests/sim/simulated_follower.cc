#include "sim/simulated_follower.h"

#include <utility>

namespace vigil::sim {
namespace {

// No message for so long, and the stream is stale.
constexpr Duration kStale = std::chrono::seconds(8);

}  // namespace

// The coordinator's end of one subscription.
class SimulatedFollower::Feed final : public SubscriberStream,
                                      public std::enable_shared_from_this<Feed> {
 public:
  Feed(SimulatedFollower& follower, SimulatedCoordinator& host, Path& path)
      : time_(follower.site_.time),
        pod_(follower.site_.machine),
        host_(host),
        path_(path),
        to_pod_(std::make_shared<Pipe>(path, kToPod)),
        follower_(&follower) {}

  void Open(const SubscriptionStart& start) {
    path_.Carry(kToCoordinator, [self = shared_from_this(), start] {
      if (self->host_.machine().dead()) return self->TellEnd();
      self->host_.machine().Arrive(self->time_.Now(), [self, start] {
        if (std::exchange(self->opened_, true) || self->closed_) return;
        self->host_.coordinator()->subscriptions().Opened(self, {kNamespace, start, {}});
      });
    });
  }

  void Write(const SubscriberMessage& message) override {
    to_pod_->Push([self = shared_from_this(), message] {
      self->pod_.Arrive(self->time_.Now(), [self, message] {
        if (self->follower_) self->follower_->Heard(*self, message);
      });
      self->host_.machine().Arrive(self->time_.Now(), [self] {
        if (!self->closed_) self->host_.coordinator()->subscriptions().Written(self);
      });
    });
  }

  void End(std::optional<Error>) override { Finish(); }
  void Cancel() override { Finish(); }

  // The follower does not listen any more.
  void Close() {
    follower_ = nullptr;
    path_.Carry(kToCoordinator, [self = shared_from_this()] { self->TellHost(); });
  }

 private:
  void Finish() {
    TellEnd();
    TellHost();
  }

  void TellEnd() {
    to_pod_->Push([self = shared_from_this()] {
      self->pod_.Arrive(self->time_.Now(), [self] {
        if (self->follower_ && self->follower_->feed_ == self) self->follower_->GoOnSoon();
      });
    });
  }

  void TellHost() {
    host_.machine().Arrive(time_.Now(), [self = shared_from_this()] {
      if (std::exchange(self->closed_, true) || !self->opened_) return;
      self->host_.coordinator()->subscriptions().Ended(self);
    });
  }

  VirtualTime& time_;
  Machine& pod_;
  SimulatedCoordinator& host_;
  Path& path_;
  const std::shared_ptr<Pipe> to_pod_;
  SimulatedFollower* follower_;
  bool opened_ = false;
  bool closed_ = false;
};

SimulatedFollower::SimulatedFollower(PodSite site, int first_address, Chance chance, Hears hears)
    : site_(site), chance_(chance), hears_(std::move(hears)), address_(first_address) {
  GoOnSoon();
}

std::optional<Seq> SimulatedFollower::position() const {
  return cursor_ ? std::optional(cursor_->position.seq) : std::nullopt;
}

void SimulatedFollower::Break() {
  if (feed_) GoOnSoon();
}

void SimulatedFollower::GoOnSoon() {
  if (feed_) feed_->Close();
  feed_.reset();
  silence_timer_.reset();
  const Duration pause =
      chance_.Between(std::chrono::milliseconds(5), std::chrono::milliseconds(500));
  retry_timer_ = site_.machine.After(pause, [this] {
    address_ = (address_ + 1) % site_.around.addresses();
    Subscribe();
  });
}

void SimulatedFollower::Subscribe() {
  SimulatedCoordinator* host = site_.around.At(address_);
  if (!host) return GoOnSoon();
  feed_ = std::make_shared<Feed>(*this, *host, site_.around.PathOf(site_.place, address_));
  if (cursor_) {
    feed_->Open(*cursor_);
  } else if (chance_.OneIn(2)) {
    feed_->Open(FromOldest{});
  } else {
    feed_->Open(FromNow{});
  }
  WatchSilence();
}

void SimulatedFollower::WatchSilence() {
  silence_timer_ = site_.machine.After(kStale, [this] { GoOnSoon(); });
}

void SimulatedFollower::Heard(const Feed& feed, const SubscriberMessage& message) {
  if (feed_.get() != &feed) return;
  WatchSilence();
  if (const auto* delivered = std::get_if<DeliveredEvents>(&message)) {
    Take(*delivered);
  } else if (const auto* part = std::get_if<DeliveredPods>(&message)) {
    if ((*part)->cursor) cursor_ = (*part)->cursor;
  } else if (const auto* position = std::get_if<PositionNotice>(&message)) {
    if (cursor_ && cursor_->position.seq != position->cursor.position.seq) {
      hears_.violation("a subscriber at " + std::to_string(cursor_->position.seq.value) +
                       " is told that it stands at " +
                       std::to_string(position->cursor.position.seq.value));
    }
    if (!cursor_ && position->cursor.position.seq)
      hears_.violation("a replay begins after the oldest");
    if (!cursor_) cursor_ = position->cursor;
  } else if (const auto* end = std::get_if<EndNotice>(&message)) {
    if (end->reason == EndReason::kExpired) {
      hears_.violation("EXPIRED, though nothing was pruned and no commit was lost");
    }
    if (end->cursor && cursor_ && end->cursor->position.seq != cursor_->position.seq) {
      hears_.violation("the cursor of the end is not where the subscriber stands");
    }
  }
}

void SimulatedFollower::Take(const DeliveredEvents& delivered) {
  const auto& events = delivered->events();
  uint64_t expected = cursor_ ? cursor_->position.seq.value + 1 : 1;
  for (const Event& event : events) {
    if (event.seq.value != expected++) {
      hears_.violation("event " + std::to_string(event.seq.value) + " follows " +
                       std::to_string(expected - 2));
      return;
    }
  }
  if (delivered->cursor().position.seq.value + 1 != expected) {
    hears_.violation("a cursor does not stand at the end of its events");
  }
  cursor_ = delivered->cursor();
  hears_.events(events);
}

}  // namespace vigil::sim
