#include "coordinator/liveness.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "core/errors.h"

namespace vigil {
namespace {

constexpr Duration kFirstReopen = std::chrono::milliseconds(20);
constexpr Duration kLongestReopen = std::chrono::seconds(1);
// Those that die together are let go together, and after their survivors had the database to
// themselves.
constexpr Duration kGatherReleases = std::chrono::milliseconds(10);
// A prober holds a free key only for the length of one statement.
constexpr Duration kRetakeInterval = std::chrono::milliseconds(20);

}  // namespace

LivenessSessions::Slot::Slot(Duration window_length, uint64_t seed)
    : window(window_length), backoff(kFirstReopen, kLongestReopen, seed) {}

LivenessSessions::LivenessSessions(Database& database, Scheduler& scheduler, const Clock& clock,
                                   Timing timing, int count, uint64_t seed, Measures& measures)
    : database_(database),
      scheduler_(scheduler),
      clock_(clock),
      timing_(timing),
      measures_(measures),
      answered_(timing.trust_window) {
  for (int i = 0; i < count; ++i) {
    slots_.push_back(std::make_unique<Slot>(timing_.trust_window, seed + static_cast<uint64_t>(i)));
  }
}

void LivenessSessions::Start() {
  for (auto& slot : slots_) OpenSlot(*slot);
}

void LivenessSessions::OpenSlot(Slot& slot) {
  database_.OpenLivenessSession([this, &slot](Result<std::unique_ptr<LivenessSession>> opened) {
    if (!opened) {
      log::Debug("A liveness session could not be opened.", {{"error", opened.error().message}});
      slot.timer = scheduler_.After(slot.backoff.Next(), [this, &slot] { OpenSlot(slot); });
      return;
    }
    slot.session = std::move(*opened);
    slot.session->OnLost([this, &slot](const Error& error) {
      if (!slot.session) return;  // Given up already.
      log::Warning("A liveness session was lost; its locks are taken again.",
                   {{"locks", slot.locks}, {"error", error.message}});
      Lost(slot);
    });
    slot.pinging = false;
    PingRegularly(slot);
    Retake(slot);
  });
}

void LivenessSessions::Answered(Slot& slot, Instant sent) {
  slot.window.Prove(sent);
  slot.answered = std::max(slot.answered, std::optional(sent));
  answered_.Prove(sent);
}

void LivenessSessions::Lost(Slot& slot) {
  // The session is destroyed later: it is the one that calls.
  scheduler_.Post([gone = std::shared_ptr<LivenessSession>(std::move(slot.session))] {});
  for (auto& [number, lock] : locks_) {
    if (lock.slot != &slot) continue;
    if (lock.confirmed && slot.window.proven()) lock.carried.Prove(*slot.window.proven());
    lock.confirmed = false;
    lock.held = false;
  }
  slot.window.Revoke();
  slot.locks -= slot.issues.size();
  for (const auto& [asked, then] : std::exchange(slot.issues, {})) {
    scheduler_.Post(
        [then = then] { then(Fail(DatabaseUnavailable("the liveness session was lost"))); });
  }
  slot.released.clear();
  slot.release_timer.reset();
  slot.timer = scheduler_.After(slot.backoff.Next(), [this, &slot] { OpenSlot(slot); });
}

void LivenessSessions::Retake(Slot& slot) {
  std::vector<LockKey> missing;
  for (const auto& [number, lock] : locks_) {
    if (lock.slot == &slot && !lock.held) missing.push_back({LockKind::kSession, number.value});
  }
  if (missing.empty()) {
    slot.backoff.Reset();
    return;
  }
  slot.session->TakeLocks(
      missing, [this, &slot, asked = missing.size()](Result<std::vector<LockKey>> taken) {
        if (!taken) {
          // What it holds now is not known: a new session starts from nothing.
          if (slot.session) Lost(slot);
          return;
        }
        slot.backoff.Reset();
        std::vector<Taking> retaken;
        for (const LockKey& key : *taken) {
          const auto found = locks_.find(SessionNumber{key.number});
          if (found == locks_.end()) {
            ReleaseSoon(slot, SessionNumber{key.number});  // Released while it was being taken.
            continue;
          }
          found->second.held = true;
          retaken.push_back({found->first, ++found->second.taking});
        }
        if (!retaken.empty() && on_retaken_) on_retaken_(retaken);
        if (taken->size() < asked) {
          slot.timer = scheduler_.After(kRetakeInterval, [this, &slot] {
            PingRegularly(slot);
            Retake(slot);
          });
        }
      });
}

void LivenessSessions::PingRegularly(Slot& slot) {
  if (!slot.session) return;
  if (!slot.pinging) {
    slot.pinging = true;
    const Instant sent = clock_.Now();
    slot.session->Ping([this, &slot, sent](const Result<void>& answered) {
      slot.pinging = false;
      if (!answered) return;
      measures_.Pinged(clock_.Now() - sent);
      Answered(slot, sent);
    });
  }
  slot.timer = scheduler_.After(timing_.ping_interval, [this, &slot] { PingRegularly(slot); });
}

LivenessSessions::Slot* LivenessSessions::Emptiest() {
  Slot* emptiest = nullptr;
  for (auto& slot : slots_) {
    if (slot->session && (!emptiest || slot->locks < emptiest->locks)) emptiest = slot.get();
  }
  return emptiest;
}

void LivenessSessions::Issue(const Then<SessionNumber>& then) {
  Slot* slot = Emptiest();
  if (!slot) {
    scheduler_.Post([then] { then(Fail(DatabaseUnavailable("no liveness session is open"))); });
    return;
  }
  ++slot->locks;
  const Instant sent = clock_.Now();
  const uint64_t asked = ++issues_asked_;
  slot->issues.emplace(asked, then);
  slot->session->IssueLock(LockKind::kSession, [this, slot, sent, asked](Result<uint64_t> issued) {
    auto waiting = slot->issues.extract(asked);
    if (waiting.empty()) return;  // The session was given up, and the lock goes with it.
    if (!issued) {
      --slot->locks;
      waiting.mapped()(Fail(std::move(issued.error())));
      return;
    }
    Answered(*slot, sent);
    const SessionNumber number{*issued};
    locks_.emplace(number, Lock{slot, true, true, 0, TrustWindow(timing_.trust_window)});
    waiting.mapped()(number);
  });
}

void LivenessSessions::Release(SessionNumber session) {
  const auto found = locks_.find(session);
  if (found == locks_.end()) return;
  const Lock lock = found->second;
  locks_.erase(found);
  --lock.slot->locks;
  if (lock.held) ReleaseSoon(*lock.slot, session);
}

void LivenessSessions::ReleaseSoon(Slot& slot, SessionNumber session) {
  slot.released.push_back({LockKind::kSession, session.value});
  if (slot.released.size() > 1) return;
  slot.release_timer = scheduler_.After(kGatherReleases, [&slot] {
    auto keys = std::exchange(slot.released, {});
    if (slot.session) slot.session->ReleaseLocks(std::move(keys), [](const Result<void>&) {});
  });
}

void LivenessSessions::Confirm(const Taking& taking) {
  const auto found = locks_.find(taking.session);
  if (found == locks_.end() || found->second.taking != taking.number) return;
  if (found->second.held) found->second.confirmed = true;
}

std::optional<Taking> LivenessSessions::Unconfirmed(SessionNumber session) const {
  const auto found = locks_.find(session);
  if (found == locks_.end()) return std::nullopt;
  const Lock& lock = found->second;
  if (!lock.held || lock.confirmed) return std::nullopt;
  return Taking{session, lock.taking};
}

bool LivenessSessions::Trusts(SessionNumber session, Instant now) const {
  const auto found = locks_.find(session);
  if (found == locks_.end()) return false;
  const Lock& lock = found->second;
  return (lock.confirmed && lock.slot->window.Holds(now)) || lock.carried.Holds(now);
}

std::optional<Instant> LivenessSessions::LeastAnswered() const {
  const auto least = std::ranges::min_element(
      slots_, {}, [](const std::unique_ptr<Slot>& slot) { return slot->answered; });
  return least == slots_.end() ? std::nullopt : (*least)->answered;
}

}  // namespace vigil
