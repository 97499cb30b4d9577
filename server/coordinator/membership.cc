#include "coordinator/membership.h"

#include <utility>

#include "base/log.h"
#include "core/errors.h"

namespace vigil {
namespace {

constexpr Duration kFirstRetry = std::chrono::milliseconds(20);
constexpr Duration kLongestRetry = std::chrono::seconds(1);
// An own ping is recent while fewer than this many intervals have passed since it was sent.
constexpr int kRecentPings = 4;

}  // namespace

Membership::Membership(Database& database, Lane& renewals, Scheduler& scheduler, const Clock& clock,
                       Timing timing, std::string address, uint64_t seed, Callbacks callbacks)
    : database_(database),
      renewals_(renewals),
      scheduler_(scheduler),
      clock_(clock),
      timing_(timing),
      address_(std::move(address)),
      callbacks_(std::move(callbacks)),
      own_ping_(kRecentPings * timing.ping_interval),
      backoff_(kFirstRetry, kLongestRetry, seed),
      window_(timing.trust_window) {}

void Membership::Start() { OpenOwnSession(); }

void Membership::OpenOwnSession() {
  database_.OpenLivenessSession([this](Result<std::unique_ptr<LivenessSession>> opened) {
    if (!opened) {
      log::Debug("The coordinator's own session could not be opened.",
                 {{"error", opened.error().message}});
      Reopen();
      return;
    }
    own_session_ = std::move(*opened);
    own_session_->OnLost([this](const Error& error) {
      log::Warning("The coordinator's own session was lost.", {{"error", error.message}});
      DropOwnSession();
    });
    backoff_.Reset();
    pinging_ = false;
    taking_lock_ = false;
    TakeOwnLock();
    PingRegularly();
  });
}

// The session is destroyed later: it may be the one that calls.
void Membership::DropOwnSession() {
  if (!own_session_) return;
  scheduler_.Post([gone = std::shared_ptr<LivenessSession>(std::move(own_session_))] {});
  lock_held_ = false;
  own_ping_.Revoke();
  Reopen();
}

void Membership::Reopen() {
  session_timer_ = scheduler_.After(backoff_.Next(), [this] { OpenOwnSession(); });
}

void Membership::TakeOwnLock() {
  if (!number_) {
    own_session_->IssueLock(LockKind::kCoordinator, [this](Result<uint64_t> issued) {
      if (!issued) return DropOwnSession();
      number_ = {*issued};
      lock_held_ = true;
      AddRow();
    });
    return;
  }
  // While a prober tries the key, the taking fails; the pings' timer asks again.
  taking_lock_ = true;
  own_session_->TakeLocks({{LockKind::kCoordinator, number_.value}},
                          [this](const Result<std::vector<LockKey>>& taken) {
                            taking_lock_ = false;
                            // What a session holds that answered with an error is not known.
                            if (!taken) return DropOwnSession();
                            lock_held_ = !taken->empty();
                          });
}

void Membership::PingRegularly() {
  if (!own_session_) return;
  if (!pinging_) {
    pinging_ = true;
    if (!lock_held_ && !taking_lock_ && number_) TakeOwnLock();
    const Instant sent = clock_.Now();
    own_session_->Ping([this, sent](const Result<void>& answered) {
      pinging_ = false;
      if (answered) own_ping_.Prove(sent);
    });
  }
  session_timer_ = scheduler_.After(timing_.ping_interval, [this] { PingRegularly(); });
}

void Membership::AddRow() {
  const Instant sent = clock_.Now();
  Ask<void>(
      renewals_, scheduler_,
      [number = number_, address = address_, window = timing_.trust_window](Store& store) {
        return store.AddCoordinator(number, address, window);
      },
      [this, sent](const Result<void>& added) {
        if (!added) {
          log::Failed("The coordinator's row could not be added.", added.error());
          renewal_timer_ = scheduler_.After(backoff_.Next(), [this] { AddRow(); });
          return;
        }
        row_ = true;
        window_.Prove(sent);
        callbacks_.renewed(sent);
        log::Info("Joined the cluster.", {{"coordinator", number_}, {"address", address_}});
        renewal_timer_ = scheduler_.After(timing_.ping_interval, [this] { RenewRegularly(); });
      });
}

void Membership::RenewRegularly() {
  const Instant sent = clock_.Now();
  Ask<Renewal>(
      renewals_, scheduler_,
      [number = number_, handled = handled_](Store& store) {
        return store.RenewCoordinator(number, handled);
      },
      [this, sent](const Result<Renewal>& renewed) {
        if (leaving_) return;
        if (!renewed && renewed.error().Is(reason::kCoordinatorUntrusted)) {
          GiveUp();
          return;
        }
        if (renewed) {
          window_.Prove(sent);
          callbacks_.renewed(sent);
          handled_ = renewed->taken;
          if (!handled_.empty()) callbacks_.taken(handled_);
        }
        const Duration spent = clock_.Now() - sent;
        const Duration rest = std::max(timing_.ping_interval - spent, timing_.ping_interval / 10);
        renewal_timer_ = scheduler_.After(rest, [this] { RenewRegularly(); });
      });
}

void Membership::GiveUp() {
  log::Warning("Other coordinators have given this one up; it lets its pods go and joins anew.",
               {{"coordinator", number_}});
  row_ = false;
  window_.Revoke();
  handled_.clear();
  number_ = {};
  lock_held_ = false;
  callbacks_.given_up();
  // A new session, so that the old number's lock goes with the old one.
  own_session_.reset();
  own_ping_.Revoke();
  backoff_.Reset();
  Reopen();
}

void Membership::Leave(std::function<void()> then) {
  leaving_ = true;
  if (!row_) {
    scheduler_.Post(std::move(then));
    return;
  }
  Ask<void>(
      renewals_, scheduler_,
      [number = number_](Store& store) { return store.RemoveCoordinator(number); },
      [then = std::move(then)](const Result<void>&) { then(); });
}

std::optional<Observer> Membership::observer(Instant now) const {
  if (!row_ || !lock_held_ || !own_session_ || !own_ping_.Holds(now)) return std::nullopt;
  return Observer{number_, own_session_->backend()};
}

}  // namespace vigil
