#include "sim/network.h"

#include <utility>

namespace vigil::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// How long TCP sends again before it gives up.
constexpr Duration kGivesUp = seconds(8);

}  // namespace

// --- Paths

Duration Path::Delay() {
  Duration delay = chance_.Between(microseconds(50), milliseconds(2));
  // Lost once, and sent again.
  if (chance_.OneIn(100)) delay += chance_.Between(milliseconds(5), milliseconds(40));
  if (slow_ > Duration::zero()) delay += chance_.Between(Duration::zero(), slow_);
  return delay;
}

void Path::Carry(Way way, std::function<void()> arrive) {
  time_.After(Delay(), [this, way, arrive = std::move(arrive)] {
    if (cut_[way]) {
      waiting_[way].push_back(arrive);
    } else {
      arrive();
    }
  });
}

void Path::Cut(Way way) { cut_[way] = true; }

void Path::Heal(Way way) {
  if (!cut_[way]) return;
  cut_[way] = false;
  last_trouble_ = time_.Now();
  for (auto& arrive : std::exchange(waiting_[way], {})) Carry(way, std::move(arrive));
}

void Path::Slow(Duration most) {
  slow_ = most;
  last_trouble_ = time_.Now();
}

void Pipe::Push(std::function<void()> happening) {
  under_way_.push_back(std::move(happening));
  path_.Carry(way_, [self = shared_from_this()] {
    if (self->under_way_.empty()) return;
    const auto arrived = std::move(self->under_way_.front());
    self->under_way_.pop_front();
    arrived();
  });
}

// --- Connections

Connection::Connection(VirtualTime& time, Path& path, Ends ends, Chance chance)
    : time_(time),
      path_(path),
      ends_(std::move(ends)),
      chance_(chance),
      pipes_{std::make_shared<Pipe>(path, kToCoordinator), std::make_shared<Pipe>(path, kToPod)} {}

void Connection::Push(Way way, std::function<void()> happening) {
  pipes_[way]->Push(std::move(happening));
  if (path_.IsCut(way)) WatchCut(way);
}

void Connection::WatchCut(Way way) {
  if (std::exchange(watching_[way], true)) return;
  time_.After(kGivesUp, [self = shared_from_this(), way] {
    self->watching_[way] = false;
    if (self->pipes_[way]->stuck()) self->Break();
  });
}

// The pod's side

void Connection::Say(const PodMessage& message) {
  if (pod_silent_) return;
  Push(kToCoordinator, [self = shared_from_this(), message] {
    if (!self->ends_.host || self->ends_.host->dead()) {
      self->host_over_ = true;
      self->Push(kToPod, [self] { self->TellPodEnded(std::nullopt); });
      return;
    }
    self->ends_.host->Arrive(self->time_.Now(), [self, message] {
      if (self->host_over_ || self->host_silent_) return;
      if (!std::exchange(self->opened_, true)) self->ends_.host_end->Opened(self);
      if (std::holds_alternative<HeartbeatMessage>(message)) {
        self->ends_.host_end->Witnessed(self->session_, SessionMoment::kHeard);
      }
      self->ends_.host_end->Received(self, message);
    });
  });
}

void Connection::SayLast(const PodMessage& message, Duration linger) {
  Say(message);
  pod_silent_ = true;
  time_.After(linger, [self = shared_from_this()] { self->Cancel(); });
}

void Connection::Cancel() {
  if (pod_over_) return;
  pod_silent_ = true;
  // A reset may overtake what is written and not yet read.
  if (chance_.OneIn(2)) pipes_[kToCoordinator]->Lose();
  Push(kToCoordinator, [self = shared_from_this()] { self->TellHostEnded(); });
  TellPodEnded(std::nullopt);
}

// The coordinator's side

void Connection::Send(HostMessage message) {
  if (host_over_ || host_silent_) return;
  const auto* answer = std::get_if<HeartbeatAnswer>(&message);
  if (answer && answer->lease_granted) {
    ends_.host_end->Witnessed(session_, SessionMoment::kGranted);
  }
  if (const auto* begun = std::get_if<RegisteredAnswer>(&message)) session_ = begun->pod.session;
  if (const auto* begun = std::get_if<ResumedAnswer>(&message)) session_ = begun->pod.session;
  Push(kToPod, [self = shared_from_this(), message = std::move(message)] {
    self->ends_.pod.Arrive(self->time_.Now(), [self, message] {
      if (!self->pod_over_) self->ends_.pod_end->Heard(message);
    });
  });
}

void Connection::End(std::optional<Error> error) {
  if (host_over_ || host_silent_) return;
  host_silent_ = true;
  Push(kToPod, [self = shared_from_this(), told = std::move(error)] { self->TellPodEnded(told); });
  TellHostEnded();
}

// Both

void Connection::TellHostEnded() {
  if (host_over_ || !ends_.host) return;
  ends_.host->Arrive(time_.Now() + microseconds(50), [self = shared_from_this()] {
    if (std::exchange(self->host_over_, true) || !self->opened_) return;
    self->ends_.host_end->Witnessed(self->session_, SessionMoment::kEnded);
    self->ends_.host_end->Ended(self);
  });
}

void Connection::TellPodEnded(const std::optional<Error>& told) {
  if (pod_over_) return;
  ends_.pod.Arrive(time_.Now() + microseconds(50), [self = shared_from_this(), told] {
    if (std::exchange(self->pod_over_, true)) return;
    self->pod_silent_ = true;
    self->ends_.pod_end->Ended(told);
  });
}

// Faults

void Connection::PodGone(bool silently) {
  pod_over_ = true;
  pod_silent_ = true;
  if (!silently) Push(kToCoordinator, [self = shared_from_this()] { self->TellHostEnded(); });
}

void Connection::HostGone(bool silently) {
  host_over_ = true;
  host_silent_ = true;
  ends_.host = nullptr;
  pipes_[kToPod]->Lose();
  if (!silently) Push(kToPod, [self = shared_from_this()] { self->TellPodEnded(std::nullopt); });
}

void Connection::Break() {
  if (over()) return;
  path_.Trouble();
  for (const auto& pipe : pipes_) pipe->Lose();
  const auto later = [this] { return chance_.Between(microseconds(100), milliseconds(20)); };
  time_.After(later(), [self = shared_from_this()] { self->TellHostEnded(); });
  time_.After(later(), [self = shared_from_this()] { self->TellPodEnded(std::nullopt); });
}

}  // namespace vigil::sim
