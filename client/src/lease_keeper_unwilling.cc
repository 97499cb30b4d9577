// How a pod looks for another host while it has one: the one it has drains, or does it no good.
#include <algorithm>

#include "lease_keeper.h"

namespace vigil::client {
namespace {

// From here on the pause between two inquiries has its full length; more need not be counted.
constexpr unsigned kManyInquiries = 16;
// Under a degraded link each question behind an only address may be a handshake, and in an outage
// of the database all pods ask. However short their leases, it is not more often than this.
constexpr Duration kDegradedPause = std::chrono::seconds(2);

}  // namespace

void LeaseKeeper::OnWelcome(std::size_t address, Time now) {
  Wake(now);
  if (Expire(now) || leaving_ || !host_ || attempt_ || next_attempt_at_) return;
  if (unwilling_ == Unwilling::kNo && !link_degraded_) return;
  if (unwilling_ == Unwilling::kNo) unwilling_ = Unwilling::kDegraded;
  failed_in_round_ = 0;
  next_address_ = address;
  anew_ = false;  // whoever answered is at the end of the connection that is in use from now on
  StartAttempt(now);
}

void LeaseKeeper::HostUnwilling(Time now, Unwilling how) {
  const Unwilling before = unwilling_;
  if (unwilling_ != Unwilling::kDraining) unwilling_ = how;
  if (attempt_ || next_attempt_at_) return;
  if (options_.addresses == 1) {
    if (before != Unwilling::kNo) return;
    if (host_proved_) return AskBehindItsAddress(now);
    // It took the pod and never granted a lease: the next inquiry waits for its turn.
    next_inquiry_at_ = std::min(next_inquiry_at_, now + terms_.lease / 2);
    return;
  }
  if (host_proved_) return BeginRound(now);
  TryNext(now);  // it took the pod and never granted a lease: another failure of this round
}

// Once in a lease, or a little more often, so that an outage of the database makes no storm.
void LeaseKeeper::LookForBetterHost(Time now) {
  if (unwilling_ != Unwilling::kNo || now < next_inquiry_at_) return;
  if (options_.addresses == 1) return AskBehindItsAddress(now);
  next_inquiry_at_ = now + Backoff(terms_.lease, terms_.lease, 0, options_.random);
  for (std::size_t address = 0; address < options_.addresses; ++address) {
    if (address != host_address_) actions_.emplace_back(action::Inquire{address, Patience()});
  }
}

bool LeaseKeeper::AsksBehindItsAddress() const {
  return options_.addresses == 1 && unwilling_ != Unwilling::kNo && host_ && !attempt_ && !leaving_;
}

// Each time may be a new connection, and of two coordinators every second one leads to the same.
// Without leases there is no time to lose; with them it is seldom, since a host may drain with
// nobody else there, and when the database is away, all of them are degraded.
void LeaseKeeper::AskBehindItsAddress(Time now) {
  actions_.emplace_back(action::Inquire{host_address_, Patience(), true});
  const bool degraded = unwilling_ == Unwilling::kNo;
  const bool no_lease = unwilling_ == Unwilling::kNoLease;
  const Duration seldom = std::max(terms_.lease, kDegradedPause);
  const Duration first = degraded ? seldom : terms_.lease / 12;
  const Duration most = degraded ? seldom : terms_.lease / (no_lease ? 4 : 2);
  next_inquiry_at_ = now + Backoff(first, most, inquiries_, options_.random);
  inquiries_ = std::min(inquiries_ + 1, kManyInquiries);
}

}  // namespace vigil::client
