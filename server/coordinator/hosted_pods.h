// The pods that this coordinator hosts: their leases, and what their silence means.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/loop.h"
#include "coordinator/liveness.h"
#include "coordinator/membership.h"
#include "coordinator/own_link.h"
#include "coordinator/pod_stream.h"
#include "coordinator/verdicts.h"
#include "core/measures.h"
#include "core/timing.h"
#include "store/lane.h"

namespace vigil {

// Grants leases to the pods whose rows name a session of this coordinator, and weighs what it sees
// of them:
//
//   strong evidence (the stream of a confirmed session ended, or it was silent for a lease), inside
//   the trust window:
//       FAST    declared DEAD at once
//       STRICT  SUSPECT at once, and after it DEAD when the last lease has surely ended
//   anything else (unconfirmed, untrusted, draining, our own closing): the lock is let go, and the
//   probers weigh it.
//
// Runs on the loop's thread.
// Invariants:
//  1. A lease is granted only while both the lock and the row are trusted.   (P7)
//  2. A STRICT pod is declared only when its last answered heartbeat, or the commit that began its
//  session, is a stretched lease ago.   (P7)
//  3. Every verdict names the session; one that the database has ended is void.   (P1)
//  4. After a pause of its own the coordinator takes nobody's silence for evidence.   (P10)
//  5. A session is confirmed by its first heartbeat. Before it the end of the stream is taken for a
//  lost answer, of which the pod never learnt, and not for evidence; and silence is weak evidence,
//  since the pod may have given the session up before it began and hold leases of another host.
//  (P1, P7, P9)
class HostedPods {
 public:
  struct Environment {
    Lane& sessions;
    Scheduler& scheduler;
    const Clock& clock;
    LivenessSessions& liveness;
    const Membership& membership;
    const OwnLink& link;
    Verdicts& verdicts;
    Measures& measures;
    Timing timing;
    // Called after each transaction that wrote events.
    std::function<void()> committed;
  };

  explicit HostedPods(Environment environment) : env_(std::move(environment)) {}

  void Start();

  // The row that names this session was committed at `committed`. Without a stream, its answer was
  // lost as in invariant 5.
  void Host(const Pod& pod, std::shared_ptr<PodStream> stream, Instant committed);

  // Nothing when the session is not hosted (any more).
  struct Named {
    std::string ns;
    HostedPod pod;
  };
  std::optional<Named> PodOf(SessionNumber session) const;

  // --- What the pod's stream says. Each is ignored for a session that is not hosted any more.
  void Heartbeat(SessionNumber session, uint64_t number);
  // It ended without Leave or Detach: strong evidence, once the session is confirmed.
  void StreamEnded(SessionNumber session);
  // It ended on purpose: the lock stays until the pod has resumed elsewhere, or its lease has
  // surely ended.
  void Detached(SessionNumber session);
  // The incarnation has LEFT, and its event is committed.
  void Left(SessionNumber session);

  // Stops hosting without a verdict, and ends the stream with `told`.
  void LetGo(SessionNumber session, std::optional<Error> told);
  void LetAllGo(const Error& told);

  // --- From the other parts of the coordinator.
  // Others have ended these sessions, maybe before this coordinator knows that they have begun.
  void Taken(const std::vector<SessionNumber>& sessions);
  // The incarnation ended in favour of a newcomer that this coordinator hosts.
  void Superseded(Incarnation incarnation);
  // The locks of these were lost and taken again.
  void Retaken(const std::vector<Taking>& takings);
  // Asks every pod to move.
  void Drain();

  size_t size() const { return hosted_.size(); }

 private:
  struct Hosted {
    std::string ns;
    Incarnation incarnation;
    SessionNumber session;
    Profile profile = Profile::kStrict;
    Duration lease{};
    // Null once the stream is gone.
    std::shared_ptr<PodStream> stream;
    // A heartbeat has come, so the pod knows of this session.
    bool confirmed = false;
    Instant last_heard{};
    // The last answered heartbeat, or the commit that began the session.
    Instant last_granted{};
    Cause condemned = Cause::kNone;
    Instant condemned_at{};
    // When the suspicion was committed that this host raised.
    std::optional<Instant> suspected_at;
    std::unique_ptr<Timer> timer;
    HostedPod pod() const { return {incarnation, session}; }
  };

  Hosted* Find(SessionNumber session);
  // Ends a stream whose session is over before it is hosted.
  void TurnAway(SessionNumber session, PodStream* stream, SessionNumber by);
  void WatchSilence(Hosted& hosted, Instant since);
  void JudgeSilence(SessionNumber session);
  // Whether evidence of this host's is strong; what it cannot vouch for (any more) it lets go, and
  // the probers weigh it.   (P9)
  bool VouchesFor(SessionNumber session);
  void Condemn(Hosted& hosted, Cause cause);
  void SuspectThenDeclare(SessionNumber session);
  void Declare(SessionNumber session);
  void Refute(const std::string& ns, const std::vector<Taking>& takings);
  bool Trusted(SessionNumber session, Instant now) const;
  void Turn();
  // The end of the last pause of ours that was long enough for this pod to give its stream up.
  Instant PausedUntil(const Hosted& hosted, Instant now) const;

  const Environment env_;
  std::unordered_map<SessionNumber, Hosted> hosted_;
  std::unordered_map<Incarnation, SessionNumber> by_incarnation_;
  // Over before the answer to the commit that began them came.
  std::unordered_set<SessionNumber> taken_early_;
  bool draining_ = false;
  struct Pause {
    Instant end{};
    Duration length{};
  };
  Instant last_turn_{};
  // Those that some pod's lease still spans.
  std::deque<Pause> pauses_;
  std::unique_ptr<Timer> turn_timer_;
  // Those whose suspicions are still to be refuted, and the timer that tries again.
  std::vector<Taking> unrefuted_;
  std::unique_ptr<Timer> refute_timer_;
  std::vector<std::unique_ptr<Timer>> drain_timers_;
};

}  // namespace vigil
