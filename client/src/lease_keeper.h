// The rules of a pod's lease, without a network, a thread or a clock.
//
// Intuition: a pod owns one number, the local time until which it may believe itself alive, and
// everything here exists to push that number forward in time. A lease counts from the moment at
// which the message that was answered was sent, since that is the only moment of which the pod
// knows that the coordinator's own count began later.
//
// One session at a time. Before the keeper asks another coordinator to resume it stops heartbeating
// on the old stream, and it goes back to the old stream only when the other one *refused*. When the
// answer was lost, the other one may have taken the session, and a lease from the old one would
// then be worth nothing: another resume follows. The last heartbeat on the stream of a host that
// still grants leases goes out right before the resume, so that such a move begins with a whole
// lease.
//
// A host that grants leases and calls its own link to the database degraded is left only for one
// that said, when it was asked, that it takes pods in. Otherwise an outage of the database would
// cost leases that the host still grants.
//
// One address may stand for several coordinators, behind a Service or a load balancer, and only a
// new connection can lead to another of them, or to the same one, or to nobody. So whoever is there
// is asked first, whatever is wrong with the host, which is left only for one that takes pods in:
// where there is no other, nothing was given up.
//
// Rejected: to heartbeat on both streams until one wins. Two coordinators would then count two
// leases for one lock.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "backoff.h"
#include "lease_actions.h"
#include "vigil/boot_clock.h"
#include "vigil/error.h"
#include "vigil/pod_session.h"
#include "vigil/types.h"

namespace vigil::client {

struct LeaseTerms {
  Duration lease{};
  Duration heartbeat_interval{};
  Duration stop_margin{};
};

// Keeps the lease of one incarnation: events go in with the time at which they were seen, actions
// come out.
//
// Thread: none of its own; one caller at a time. `now` never goes back.
//
// Invariants:
//   1. At most one stream gets heartbeats, and none gets any while a resume is unanswered.
//   2. alive_until() only grows, and only because of an answer to a message sent on a stream that
//   was current.
//   3. kLost, kLeft and kRefused are final.
//   4. At most one resume is unanswered.
//   5. A stream that hosts the pod gets its first heartbeat at once: that confirms the session.
//   6. A stream that hosted the pod is given up for a resume with `Detach`, never with a bare
//   cancel: a host that only stalled must not read the pod's move as its death (P1).
//   7. After a pause of its own the pod's deadlines hold, but nobody's silence counts: what came
//   meanwhile may not have been read yet.
//   8. A watchdog that starved is a bare cancel, and LOST: the host is to take it for the pod's
//   death, at once. Feeding does not take it back, so that nothing flaps.
//
// It does not promise to notice anything by itself: call OnTimer at next_wake() or later.
class LeaseKeeper {
 public:
  struct Options {
    std::size_t addresses = 1;
    std::size_t first_address = 0;
    // The lease to ask for; the server's default when zero.
    Duration lease{};
    // For the registration as a whole, beside `wait_for_name`.
    Duration register_timeout = std::chrono::seconds(15);
    Duration wait_for_name{};
    // How long the application may go without feeding; no watchdog when zero.
    Duration watchdog{};
    Random random;
  };

  // Begins with an attempt to register, in the actions.
  LeaseKeeper(Options options, Time now);

  // The coordinator tells it every moment for as long as it waits.
  void OnWaiting(StreamId stream, Time now, Incarnation incumbent);
  // `Registered` or `Resumed`.
  void OnHosted(StreamId stream, Time now, LeaseTerms terms);
  struct Answer {
    bool lease_granted = false;
    bool link_degraded = false;
  };
  void OnHeartbeatAnswer(StreamId stream, Time now, std::uint64_t number, Answer answer);
  // The coordinator at this address takes pods in: the answer to an action::Inquire.
  void OnWelcome(std::size_t address, Time now);
  void OnDraining(StreamId stream, Time now);
  void OnLeft(StreamId stream, Time now);
  void OnStreamEnded(StreamId stream, Time now, const Error& why);
  void OnTimer(Time now);
  // When the application fed the watchdog last. To be told before OnTimer.
  void OnFed(Time when);
  // How long nothing ran, when that was noticed since the last call: an event or a timer came more
  // than a third of the lease after it was due.
  std::optional<Duration> TakePause();
  // A reader found the lease ended before the keeper did. True when the pod was alive until then.
  bool Lose();
  void Leave(Time now, Duration timeout);

  std::vector<Action> TakeActions();
  // When to call OnTimer; nothing to wait for when absent.
  std::optional<Time> next_wake() const;

  SelfState state() const { return state_; }
  // Both absent until the first lease.
  std::optional<Time> alive_until() const;
  std::optional<Time> lease_until() const { return lease_until_; }
  // The address that hosts the pod, or did last.
  std::size_t address() const { return host_address_; }
  const std::optional<Error>& why() const { return why_; }

 private:
  struct Host {
    StreamId stream;
    bool leave_sent = false;
  };
  struct Attempt {
    StreamId stream;
    Time sent;
    Time deadline;
  };

  // Why the keeper looks for another host while it has one.
  enum class Unwilling { kNo, kDegraded, kDraining, kNoLease };

  // Every event begins with it, except the farewell's answer, after which nothing is judged.
  void Wake(Time now);
  bool Final() const;
  bool BelievesAlive() const;
  // When the watchdog has starved, unless it is fed. Absent without one, or without a lease.
  std::optional<Time> starves_at() const;
  void Starve();
  // Notices the end of the lease. True when nothing can change any more.
  bool Expire(Time now);
  void End(SelfState state, std::optional<Error> why);
  void Become(SelfState state, std::optional<Error> why);

  void HostEnded(Time now, const Error& why);
  void HostSilent(Time now);
  std::optional<Time> silent_at() const;
  void HostUnwilling(Time now, Unwilling how);
  void LookForBetterHost(Time now);
  // Whether it waits to ask again who else is behind its only address.
  bool AsksBehindItsAddress() const;
  void AskBehindItsAddress(Time now);
  void AbandonHost(bool unresponsive = false);
  void ReturnToHost(Time now);

  void BeginRound(Time now);
  void StartAttempt(Time now);
  void AttemptFailed(Time now, const Error& why, bool refused);
  void RegistrationEnded(Time now, const Error& why);
  void TryNext(Time now);

  void Grant(Time sent, Time now);
  void SendHeartbeat(Time now);
  void StopHeartbeats();
  void SendLeave(Time now);
  void LeaveOver(std::optional<Error> error);
  void OnLeaveTimer(Time now);

  // How long an answer may take. To a registration, too, a third of the lease: when its answer was
  // lost, the incarnation that it made lives for a lease, and the retry must find it alive.
  Duration Patience() const;
  // How long to rest after a whole round of failures.
  Duration Rest() const;
  // How many addresses a round has.
  std::size_t Candidates() const;
  std::size_t AddressBefore(std::size_t address) const;

  const Options options_;
  SelfState state_ = SelfState::kJoining;
  bool registered_ = false;
  // Attempts to register with the registration id in use.
  unsigned registration_tries_ = 0;
  std::optional<Error> why_;
  std::vector<Action> actions_;

  std::uint64_t last_stream_ = 0;
  std::optional<Host> host_;
  std::size_t host_address_;
  std::optional<Attempt> attempt_;
  std::size_t next_address_;
  std::optional<Time> next_attempt_at_;
  std::size_t failed_in_round_ = 0;
  unsigned failed_rounds_ = 0;
  Unwilling unwilling_ = Unwilling::kNo;
  // As the host's last answer said.
  bool link_degraded_ = false;
  Time next_inquiry_at_{};
  // Since the host last granted a lease and was willing to go on.
  unsigned inquiries_ = 0;
  // The next stream needs a new connection: this one leads to a coordinator that refused.
  bool anew_ = false;
  // The host took the registration or has answered a heartbeat with a lease, so that losing it
  // begins a new round at once.
  bool host_proved_ = false;
  // How often in a row the host was silent although the others sent the pod back to it.
  unsigned silences_ = 0;

  LeaseTerms terms_;
  std::optional<Time> lease_until_;
  std::uint64_t last_heartbeat_ = 0;
  std::map<std::uint64_t, Time> unanswered_;
  std::optional<Time> next_heartbeat_at_;

  // When the last event or timer ran, and when the last pause ended.
  Time last_seen_;
  Time awake_since_{};
  std::optional<Duration> pause_;
  // From the first hosting on.
  Time fed_at_{};

  Time register_deadline_;
  // Whose name the registration waits for.
  std::optional<Incarnation> waits_for_;
  Error last_failure_;
  bool leaving_ = false;
  Time leave_deadline_{};
  Time leave_answer_due_{};
};

}  // namespace vigil::client
