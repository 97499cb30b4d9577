#include "lease_keeper.h"

#include <algorithm>
#include <utility>

#include "lease_failures.h"

namespace vigil::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// What a coordinator grants when no lease is asked for.
constexpr Duration kDefaultLease = seconds(3);
// An attempt to register gets a third of the lease, but not less than a connection and a commit
// may take, and not so much that one silent address uses up the time of the registration.
constexpr Duration kShortestAttempt = milliseconds(300);
constexpr Duration kLongestAttempt = seconds(5);

}  // namespace

LeaseKeeper::LeaseKeeper(Options options, Time now)
    : options_(std::move(options)),
      host_address_(options_.first_address),
      next_address_(options_.first_address),
      last_seen_(now),
      register_deadline_(now + options_.register_timeout) {
  StartAttempt(now);
}

std::vector<Action> LeaseKeeper::TakeActions() { return std::exchange(actions_, {}); }

std::optional<Time> LeaseKeeper::alive_until() const {
  if (!lease_until_) return std::nullopt;
  return *lease_until_ - terms_.stop_margin;
}

std::optional<Time> LeaseKeeper::next_wake() const {
  if (Final()) return std::nullopt;
  std::optional<Time> wake;
  const auto consider = [&wake](Time time) { wake = wake ? std::min(*wake, time) : time; };
  if (attempt_) consider(attempt_->deadline);
  if (next_attempt_at_) consider(*next_attempt_at_);
  if (AsksBehindItsAddress()) consider(next_inquiry_at_);
  if (next_heartbeat_at_) {
    consider(*next_heartbeat_at_);
    if (const auto silent = silent_at()) consider(*silent);
  }
  if (leaving_) {
    consider(leave_deadline_);
    if (host_ && host_->leave_sent) consider(leave_answer_due_);
  } else if (state_ == SelfState::kJoining) {
    consider(register_deadline_);
  } else if (const auto until = alive_until()) {
    consider(*until);
    if (const auto starved = starves_at()) consider(*starved);
  }
  return wake;
}

void LeaseKeeper::Wake(Time now) {
  const auto due = next_wake();
  const Time seen = std::exchange(last_seen_, now);
  if (!registered_ || !due) return;
  const Duration late = now - std::max(*due, seen);
  // What does not run cannot feed, and reads no answers.
  if (late > options_.watchdog / 4) fed_at_ = std::max(fed_at_, now);
  if (late > Patience() / 4) {
    awake_since_ = now;
    if (attempt_) attempt_->deadline = std::max(attempt_->deadline, now + Patience());
  }
  if (late <= terms_.lease / 3) return;
  pause_ = late;
  last_failure_ = Paused(late);
}

std::optional<Duration> LeaseKeeper::TakePause() { return std::exchange(pause_, std::nullopt); }

// --- What the streams say ---

void LeaseKeeper::OnWaiting(StreamId stream, Time now, Incarnation incumbent) {
  Wake(now);
  if (Final() || !attempt_ || attempt_->stream != stream) return;
  // It is told again and again, so that a coordinator that vanishes meanwhile is found out.
  attempt_->deadline = now + kLongestAttempt;
  if (!waits_for_) {
    register_deadline_ =
        std::max(register_deadline_, now + options_.wait_for_name + kLongestAttempt);
  }
  if (std::exchange(waits_for_, incumbent) == incumbent) return;
  actions_.emplace_back(action::AnnounceWaiting{incumbent});
}

void LeaseKeeper::OnHosted(StreamId stream, Time now, LeaseTerms terms) {
  Wake(now);
  if (Expire(now) || !attempt_ || attempt_->stream != stream) return;
  const Time sent = attempt_->sent;
  attempt_.reset();
  if (host_) AbandonHost();
  // The lease of a registration that waited for its name may have ended, or be about to, when the
  // answer comes. It counts for nothing then, and the first heartbeat brings one.
  const bool waited = !registered_ && waits_for_;
  // A coordinator that takes the pod in and drops it again and again is not asked without rest.
  host_proved_ = !registered_;
  if (!registered_) fed_at_ = std::max(fed_at_, now);
  registered_ = true;
  terms_ = terms;
  host_ = Host{stream};
  host_address_ = AddressBefore(next_address_);
  unwilling_ = Unwilling::kNo;
  link_degraded_ = false;
  if (leaving_) return SendLeave(now);

  // Before anything is told, so that whoever hears that the pod lives finds a confirmed session.
  SendHeartbeat(now);
  if (!waited) Grant(sent, now);
  if (lease_until_) {
    state_ = SelfState::kAlive;
    why_.reset();
    actions_.emplace_back(action::Announce{});
  }
}

void LeaseKeeper::OnHeartbeatAnswer(StreamId stream, Time now, std::uint64_t number,
                                    Answer answer) {
  Wake(now);
  if (Expire(now) || leaving_ || !host_ || host_->stream != stream) return;
  const auto answered = unanswered_.find(number);
  if (answered == unanswered_.end()) return;
  const Time sent = answered->second;
  unanswered_.erase(unanswered_.begin(), std::next(answered));
  silences_ = 0;
  link_degraded_ = answer.link_degraded;
  if (!answer.lease_granted) return HostUnwilling(now, Unwilling::kNoLease);

  Grant(sent, now);
  if (!lease_until_) return;  // so late that it grants nothing
  if (attempt_) return;       // the lease counts, but the session is on its way elsewhere
  host_proved_ = true;
  if (unwilling_ == Unwilling::kNoLease) unwilling_ = Unwilling::kNo;
  if (unwilling_ == Unwilling::kNo) {
    next_attempt_at_.reset();
    failed_in_round_ = 0;
    failed_rounds_ = 0;
    if (!link_degraded_) inquiries_ = 0;
  }
  Become(SelfState::kAlive, std::nullopt);
  if (link_degraded_) LookForBetterHost(now);
}

void LeaseKeeper::OnDraining(StreamId stream, Time now) {
  Wake(now);
  if (Expire(now) || leaving_ || !host_ || host_->stream != stream) return;
  HostUnwilling(now, Unwilling::kDraining);
}

void LeaseKeeper::OnLeft(StreamId stream, Time) {
  if (leaving_ && host_ && host_->stream == stream) LeaveOver(std::nullopt);
}

void LeaseKeeper::OnStreamEnded(StreamId stream, Time now, const Error& why) {
  Wake(now);
  const bool ended = registered_ && why.reason == Reason::kIncarnationEnded;
  if (Expire(now)) {
    if (host_ && host_->stream == stream) host_.reset();
    if (ended && state_ == SelfState::kLost) why_ = why;
    return;
  }
  if (ended) {
    if (!leaving_) return End(lease_until_ ? SelfState::kLost : SelfState::kRefused, why);
    return LeaveOver(HasCause(why, "LEFT") ? std::nullopt : std::optional(why));
  }
  if (attempt_ && attempt_->stream == stream) {
    attempt_.reset();
    if (!registered_ && why.reason == Reason::kIncarnationEnded) return RegistrationEnded(now, why);
    return AttemptFailed(now, why, IsRefusal(why));
  }
  if (host_ && host_->stream == stream) HostEnded(now, why);
}

void LeaseKeeper::OnTimer(Time now) {
  Wake(now);
  if (Expire(now)) return;
  if (leaving_) {
    OnLeaveTimer(now);
    if (Final()) return;
  }
  if (state_ == SelfState::kJoining && now >= register_deadline_) {
    if (last_failure_.message.empty())
      last_failure_ = Silence("no coordinator answered the registration in time");
    return End(SelfState::kRefused, last_failure_);
  }
  if (const auto starved = starves_at(); starved && now >= *starved) return Starve();
  if (attempt_ && now >= attempt_->deadline) {
    actions_.emplace_back(action::Drop{attempt_->stream, true});
    attempt_.reset();
    return AttemptFailed(now, Silence("no answer in time"), false);
  }
  if (next_attempt_at_ && now >= *next_attempt_at_) return BeginRound(now);
  if (AsksBehindItsAddress() && now >= next_inquiry_at_) AskBehindItsAddress(now);
  if (!next_heartbeat_at_) return;
  if (const auto silent = silent_at(); silent && now >= *silent) return HostSilent(now);
  if (now >= *next_heartbeat_at_) SendHeartbeat(now);
}

// --- The host ---

void LeaseKeeper::HostEnded(Time now, const Error& why) {
  host_.reset();
  StopHeartbeats();
  unanswered_.clear();
  last_failure_ = why;
  if (IsOfOneCoordinator(why)) anew_ = true;
  if (!leaving_ && lease_until_) Become(SelfState::kSuspended, why);
  if (attempt_) return;
  next_attempt_at_.reset();
  if (leaving_ || host_proved_) return BeginRound(now);
  TryNext(now);  // it took the pod and never granted a lease: another failure of this round
}

std::optional<Time> LeaseKeeper::silent_at() const {
  if (unanswered_.empty()) return std::nullopt;
  return std::max(unanswered_.begin()->second, awake_since_) + Patience();
}

void LeaseKeeper::HostSilent(Time now) {
  const Error why = Silence("the coordinator did not answer a heartbeat in time");
  StopHeartbeats();
  last_failure_ = why;
  if (lease_until_) Become(SelfState::kSuspended, why);
  if (options_.addresses == 1 || ++silences_ > 1) {
    AbandonHost(true);
  }
  BeginRound(now);
}

void LeaseKeeper::AbandonHost(bool unresponsive) {
  // A lease from now the pod is hosted by a newer session or LOST, and the end of this stream can
  // do no harm.
  actions_.emplace_back(action::Detach{host_->stream, unresponsive, terms_.lease});
  host_.reset();
  StopHeartbeats();
  unanswered_.clear();
}

void LeaseKeeper::ReturnToHost(Time now) {
  unanswered_.clear();
  SendHeartbeat(now);
  if (unwilling_ == Unwilling::kDegraded) unwilling_ = Unwilling::kNo;  // it still grants leases
  const bool asks_first = options_.addresses == 1;
  if (unwilling_ != Unwilling::kNo && !asks_first) next_attempt_at_ = now + Rest();
}

// --- The way to another host ---

void LeaseKeeper::BeginRound(Time now) {
  next_attempt_at_.reset();
  if (attempt_) return;
  failed_in_round_ = 0;
  if (registered_) next_address_ = (host_address_ + 1) % options_.addresses;
  StartAttempt(now);
}

void LeaseKeeper::StartAttempt(Time now) {
  // A host that still grants leases is asked for one more, which may arrive on the way.
  const bool grants = unwilling_ == Unwilling::kDegraded || unwilling_ == Unwilling::kDraining;
  if (host_ && grants) SendHeartbeat(now);
  StopHeartbeats();
  next_attempt_at_.reset();
  const StreamId stream(++last_stream_);
  attempt_ = Attempt{stream, now, now + Patience()};
  const bool new_registration = !registered_ && registration_tries_++ == 0;
  const bool anew = std::exchange(anew_, false) && options_.addresses == 1;
  actions_.emplace_back(action::Open{stream, next_address_, registered_, new_registration, anew});
  next_address_ = (next_address_ + 1) % options_.addresses;
}

void LeaseKeeper::AttemptFailed(Time now, const Error& why, bool refused) {
  last_failure_ = why;
  if (IsOfOneCoordinator(why)) anew_ = true;
  if (!registered_ && !IsRetryable(why)) return End(SelfState::kRefused, why);
  if (!refused && host_) {
    AbandonHost();
    if (!leaving_ && lease_until_) Become(SelfState::kSuspended, why);
  }
  if (leaving_ && host_ && !host_->leave_sent) return SendLeave(now);
  TryNext(now);
}

// An earlier answer was lost, and the incarnation that it spoke of ended before this attempt found
// it. The pod was granted nothing, so that it may begin again, as another incarnation.
void LeaseKeeper::RegistrationEnded(Time now, const Error& why) {
  // A successor has the name: to begin anew would take it back.
  if (HasCause(why, "SUPERSEDED")) return End(SelfState::kRefused, why);
  last_failure_ = why;
  const bool found = std::exchange(registration_tries_, 0) > 1;
  if (!found) return TryNext(now);  // nobody used this id before: do not ask without rest
  next_address_ = AddressBefore(next_address_);
  StartAttempt(now);
}

void LeaseKeeper::TryNext(Time now) {
  if (host_ && unwilling_ == Unwilling::kDegraded) return ReturnToHost(now);
  if (++failed_in_round_ < Candidates()) return StartAttempt(now);
  ++failed_rounds_;
  failed_in_round_ = 0;
  if (host_) return ReturnToHost(now);
  next_attempt_at_ = now + Rest();
}

// --- The lease ---

void LeaseKeeper::Grant(Time sent, Time now) {
  const Time until = sent + terms_.lease;
  if (until - terms_.stop_margin <= now) return;
  lease_until_ = lease_until_ ? std::max(*lease_until_, until) : until;
}

void LeaseKeeper::SendHeartbeat(Time now) {
  unanswered_.emplace(++last_heartbeat_, now);
  next_heartbeat_at_ = now + terms_.heartbeat_interval;
  actions_.emplace_back(action::Heartbeat{host_->stream, last_heartbeat_});
}

void LeaseKeeper::StopHeartbeats() { next_heartbeat_at_.reset(); }

bool LeaseKeeper::Final() const {
  return state_ == SelfState::kRefused ||
         (!leaving_ && (state_ == SelfState::kLost || state_ == SelfState::kLeft));
}

bool LeaseKeeper::Expire(Time now) {
  if (BelievesAlive() && now >= *alive_until()) Lose();
  return Final();
}

bool LeaseKeeper::BelievesAlive() const {
  return state_ == SelfState::kAlive || state_ == SelfState::kSuspended;
}

void LeaseKeeper::OnFed(Time when) { fed_at_ = std::max(fed_at_, when); }

std::optional<Time> LeaseKeeper::starves_at() const {
  if (options_.watchdog <= Duration::zero() || !BelievesAlive()) return std::nullopt;
  return fed_at_ + options_.watchdog;
}

void LeaseKeeper::Starve() {
  if (host_) actions_.emplace_back(action::Drop{host_->stream, false});
  host_.reset();
  End(SelfState::kLost, WatchdogStarved(options_.watchdog));
}

bool LeaseKeeper::Lose() {
  if (!BelievesAlive()) return false;
  End(SelfState::kLost, LeaseEnded(last_failure_));
  return true;
}

void LeaseKeeper::End(SelfState state, std::optional<Error> why) {
  if (attempt_) actions_.emplace_back(action::Drop{attempt_->stream, false});
  attempt_.reset();
  next_attempt_at_.reset();
  StopHeartbeats();
  // A stream that still works is kept when the lease ended: Leave may yet want it.
  const bool ended_by_coordinator = why && why->reason == Reason::kIncarnationEnded;
  if (host_ && (state == SelfState::kRefused || ended_by_coordinator)) {
    actions_.emplace_back(action::Drop{host_->stream, false});
    host_.reset();
  }
  Become(state, std::move(why));
}

void LeaseKeeper::Become(SelfState state, std::optional<Error> why) {
  if (state_ == state) return;
  state_ = state;
  why_ = std::move(why);
  actions_.emplace_back(action::Announce{});
}

// --- Durations ---

Duration LeaseKeeper::Patience() const {
  if (!registered_) {
    const Duration lease = options_.lease > Duration::zero() ? options_.lease : kDefaultLease;
    return std::clamp<Duration>(lease / 3, kShortestAttempt, kLongestAttempt);
  }
  const Duration third = terms_.lease / 3;
  return leaving_ ? std::max<Duration>(third, milliseconds(500)) : third;
}

Duration LeaseKeeper::Rest() const {
  const Duration most =
      registered_ ? std::max<Duration>(terms_.lease / 6, milliseconds(20)) : milliseconds(1000);
  const unsigned earlier_rounds = failed_rounds_ == 0 ? 0 : failed_rounds_ - 1;
  return Backoff(std::min<Duration>(milliseconds(50), most), most, earlier_rounds, options_.random);
}

std::size_t LeaseKeeper::AddressBefore(std::size_t address) const {
  return (address + options_.addresses - 1) % options_.addresses;
}

std::size_t LeaseKeeper::Candidates() const {
  return host_ ? std::max<std::size_t>(options_.addresses - 1, 1) : options_.addresses;
}

}  // namespace vigil::client
