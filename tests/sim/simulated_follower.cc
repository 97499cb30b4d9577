#include "sim/simulated_follower.h"

#include <utility>

#include "history/from_coordinator.h"

namespace vigil::sim {
namespace {

using history::Ended;

// No message for so long, and the stream is stale.
constexpr Duration kStale = std::chrono::seconds(8);

Ended Broken() {
  Ended end;
  end.broken = true;
  return end;
}

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
      if (self->host_.machine().dead()) return self->TellEnd(Broken());
      self->host_.machine().Arrive(self->time_.Now(), [self, start] {
        if (std::exchange(self->opened_, true) || self->closed_) return;
        self->host_.coordinator()->subscriptions().Opened(self, {kNamespace, start, {}});
      });
    });
  }

  void Write(const SubscriberMessage& message) override {
    to_pod_->Push([self = shared_from_this(), message] {
      self->ArriveAtPod([self, message] { self->follower_->Heard(*self, message); });
      if (self->Stalled()) {
        ++self->unread_;
      } else {
        self->TellWritten();
      }
    });
  }

  void End(std::optional<Error> error) override {
    Ended end;
    if (error) end.error = error->reason;
    Finish(end);
  }
  void Cancel() override {
    Ended end;
    end.error = "cancelled";
    Finish(end);
  }

  // Whether the process that was subscribed to is gone, and whoever is at its address is another.
  bool HostIsGone() const { return host_.machine().dead(); }

  // The follower does not listen any more.
  void Close() {
    follower_ = nullptr;
    held_.clear();
    path_.Carry(kToCoordinator, [self = shared_from_this()] { self->TellHost(); });
  }

  // The follower reads what has come while it did not.
  void ReadOn() {
    for (const auto& arrived : std::exchange(held_, {})) {
      if (follower_) arrived();
    }
    for (; unread_ > 0; --unread_) {
      path_.Carry(kToCoordinator, [self = shared_from_this()] { self->TellWritten(); });
    }
  }

 private:
  bool Stalled() const { return follower_ && follower_->stalled_; }

  void ArriveAtPod(std::function<void()> read) {
    pod_.Arrive(time_.Now(), [self = shared_from_this(), read = std::move(read)] {
      if (self->Stalled()) {
        self->held_.push_back(read);
      } else if (self->follower_) {
        read();
      }
    });
  }

  void Finish(const Ended& end) {
    TellEnd(end);
    TellHost();
  }

  void TellEnd(const Ended& end) {
    to_pod_->Push([self = shared_from_this(), end] {
      self->ArriveAtPod([self, end] {
        if (self->follower_->feed_ == self) self->follower_->Over(end);
      });
    });
  }

  void TellWritten() {
    host_.machine().Arrive(time_.Now(), [self = shared_from_this()] {
      if (!self->closed_) self->host_.coordinator()->subscriptions().Written(self);
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
  std::vector<std::function<void()>> held_;
  int unread_ = 0;
  bool opened_ = false;
  bool closed_ = false;
};

SimulatedFollower::SimulatedFollower(PodSite site, int first_address, Chance chance, Hears hears)
    : site_(site), chance_(chance), hears_(std::move(hears)), address_(first_address) {
  GoOnSoon();
}

void SimulatedFollower::Break() {
  if (feed_) Over(Broken());
}

void SimulatedFollower::ReadOn() {
  if (!std::exchange(stalled_, false) || !feed_) return;
  Note({site_.time.Now(), history::Stalled{}});
  WatchSilence();
  const auto feed = feed_;  // which may be over with what it reads
  feed->ReadOn();
}

void SimulatedFollower::Over(const Ended& end) {
  const bool explained = std::holds_alternative<Ended>(history_.back().what);
  if (!explained) Note({site_.time.Now(), end});
  hears_.subscription({history_.begin() + static_cast<std::ptrdiff_t>(opened_), history_.end()});
  GoOnSoon();
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

SubscriptionStart SimulatedFollower::NextStart() {
  if (const auto position = history::LastPosition(history_)) return Cursor{*position, kNamespace};
  if (chance_.OneIn(2)) return FromOldest{};
  return FromNow{};
}

void SimulatedFollower::Subscribe() {
  SimulatedCoordinator* host = site_.around.At(address_);
  if (!host) return GoOnSoon();
  feed_ = std::make_shared<Feed>(*this, *host, site_.around.PathOf(site_.place, address_));
  const SubscriptionStart start = NextStart();
  opened_ = history_.size();
  Note({site_.time.Now(), history::FromRequest({kNamespace, start, {}})});
  feed_->Open(start);
  WatchSilence();
}

void SimulatedFollower::WatchSilence() {
  silence_timer_ = site_.machine.After(kStale, [this, since = site_.time.Now()] {
    if (stalled_) return;
    const bool healthy =
        !feed_->HostIsGone() && site_.around.LastTrouble(site_.place, address_) < since;
    // Where nothing was taken away, the coordinator ended it without a reason.
    Over(healthy ? Ended{} : Broken());
  });
}

void SimulatedFollower::Heard(const Feed& feed, const SubscriberMessage& message) {
  if (feed_.get() != &feed) return;
  WatchSilence();
  Note(history::FromMessage(message, site_.time.Now()));
  if (const auto* delivered = std::get_if<DeliveredEvents>(&message)) {
    hears_.events((*delivered)->events());
  }
}

void SimulatedFollower::Note(history::Record record) { history_.push_back(std::move(record)); }

}  // namespace vigil::sim
