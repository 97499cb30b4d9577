// How a pod ends its incarnation on purpose.
#include <utility>

#include "lease_failures.h"
#include "lease_keeper.h"

namespace vigil::client {

void LeaseKeeper::Leave(Time now, Duration timeout) {
  Wake(now);
  if (leaving_) return;
  Expire(now);  // after a pause the farewell may come before the timer
  const bool ended_by_coordinator = why_ && why_->reason == Reason::kIncarnationEnded;
  if (Final() && (state_ != SelfState::kLost || ended_by_coordinator)) {
    actions_.emplace_back(action::LeaveDone{ended_by_coordinator ? why_ : std::nullopt});
    return;
  }
  if (!registered_) {
    End(SelfState::kLeft, std::nullopt);
    actions_.emplace_back(action::LeaveDone{});
    return;
  }
  leaving_ = true;
  leave_deadline_ = now + timeout;
  StopHeartbeats();
  next_attempt_at_.reset();
  if (state_ != SelfState::kLost) Become(SelfState::kLeft, std::nullopt);
  if (attempt_) return;
  if (host_) return SendLeave(now);
  BeginRound(now);
}

void LeaseKeeper::SendLeave(Time now) {
  host_->leave_sent = true;
  leave_answer_due_ = now + Patience();
  actions_.emplace_back(action::Leave{host_->stream});
}

void LeaseKeeper::OnLeaveTimer(Time now) {
  if (now >= leave_deadline_)
    return LeaveOver(Silence("no coordinator confirmed in time that the pod left"));
  if (!host_ || !host_->leave_sent || now < leave_answer_due_) return;
  actions_.emplace_back(action::Drop{host_->stream, true});
  host_.reset();
  BeginRound(now);
}

void LeaseKeeper::LeaveOver(std::optional<Error> error) {
  leaving_ = false;
  if (attempt_) actions_.emplace_back(action::Drop{attempt_->stream, false});
  attempt_.reset();
  next_attempt_at_.reset();
  actions_.emplace_back(action::LeaveDone{std::move(error)});
}

}  // namespace vigil::client
