#include "coordinator/hosted_pods.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/log.h"
#include "core/errors.h"

namespace vigil {
namespace {

constexpr Duration kTurnInterval = std::chrono::milliseconds(50);
// A pod gives its host up after a third of its lease without an answer: a pause that long makes
// living pods end their streams.
constexpr int kPatienceOfPods = 3;
// Between a timer that finds a pod silent and its judgement, for what is still on its way from the
// sockets.
constexpr Duration kDrainSockets = std::chrono::milliseconds(20);
constexpr Duration kRetry = std::chrono::milliseconds(100);
// Pods that move are staggered, so that the other coordinators are not stormed.
constexpr size_t kDrainBatch = 50;
constexpr Duration kDrainStagger = std::chrono::milliseconds(20);

}  // namespace

void HostedPods::Start() {
  last_turn_ = env_.clock.Now();
  Turn();
}

void HostedPods::Turn() {
  const Instant now = env_.clock.Now();
  if (const Duration pause = now - last_turn_; pause > kShortestLease / kPatienceOfPods) {
    log::Warning("The coordinator was paused; what its pods did meanwhile is no evidence.",
                 {{"milliseconds", pause / std::chrono::milliseconds(1)}});
    pauses_.push_back({now, pause});
  }
  while (!pauses_.empty() && now - pauses_.front().end > kLongestLease) pauses_.pop_front();
  last_turn_ = now;
  turn_timer_ = env_.scheduler.After(kTurnInterval, [this] { Turn(); });
}

Instant HostedPods::PausedUntil(const Hosted& hosted, Instant now) const {
  const Duration patience = hosted.lease / kPatienceOfPods;
  if (now - last_turn_ > patience) return now;
  for (auto pause = pauses_.rbegin(); pause != pauses_.rend(); ++pause) {
    if (pause->length > patience) return pause->end;
  }
  return {};
}

bool HostedPods::Trusted(SessionNumber session, Instant now) const {
  return env_.membership.Trusted(now) && env_.liveness.Trusts(session, now);
}

HostedPods::Hosted* HostedPods::Find(SessionNumber session) {
  const auto found = hosted_.find(session);
  return found == hosted_.end() ? nullptr : &found->second;
}

std::optional<HostedPods::Named> HostedPods::PodOf(SessionNumber session) const {
  const auto found = hosted_.find(session);
  if (found == hosted_.end()) return std::nullopt;
  return Named{found->second.ns, found->second.pod()};
}

void HostedPods::Host(const Pod& pod, std::shared_ptr<PodStream> stream, Instant committed) {
  const auto other = by_incarnation_.find(pod.incarnation);
  if (other != by_incarnation_.end() && other->second > pod.session) {
    // Two resumes were committed in order, and their answers came back the other way round.
    return TurnAway(pod.session, stream.get(), other->second);
  }
  if (taken_early_.erase(pod.session) > 0) return TurnAway(pod.session, stream.get(), {});
  if (other != by_incarnation_.end()) LetGo(other->second, SessionTaken(pod.session));
  Hosted& hosted = hosted_[pod.session];
  hosted.ns = pod.ns;
  hosted.incarnation = pod.incarnation;
  hosted.session = pod.session;
  hosted.profile = pod.profile;
  hosted.lease = pod.lease;
  hosted.stream = std::move(stream);
  hosted.last_heard = committed;
  hosted.last_granted = committed;
  by_incarnation_[pod.incarnation] = pod.session;
  if (draining_ && hosted.stream) hosted.stream->Send(DrainingNotice{});
  WatchSilence(hosted, committed);
  if (const auto taking = env_.liveness.Unconfirmed(pod.session)) Retaken({*taking});
}

void HostedPods::TurnAway(SessionNumber session, PodStream* stream, SessionNumber by) {
  env_.liveness.Release(session);
  if (stream) stream->End(SessionTaken(by));
}

// --- Leases

void HostedPods::Heartbeat(SessionNumber session, uint64_t number) {
  Hosted* hosted = Find(session);
  if (!hosted || !hosted->stream) return;
  const Instant now = env_.clock.Now();
  hosted->confirmed = true;
  hosted->last_heard = now;
  // One whose death is being decided gets no lease that would outlive the decision.
  const bool granted = hosted->condemned == Cause::kNone && Trusted(session, now);
  if (granted) {
    env_.measures.Renewed(hosted->last_granted + hosted->lease - now);
    hosted->last_granted = now;
  }
  const bool degraded = !granted || env_.link.Degraded(now);
  hosted->stream->Send(HeartbeatAnswer{number, granted, degraded});
}

void HostedPods::WatchSilence(Hosted& hosted, Instant since) {
  const Duration rest = since + hosted.lease - env_.clock.Now();
  hosted.timer = env_.scheduler.After(std::max(rest, Duration::zero()) + kDrainSockets,
                                      [this, session = hosted.session] { JudgeSilence(session); });
}

void HostedPods::JudgeSilence(SessionNumber session) {
  Hosted& hosted = hosted_.at(session);
  const Instant now = env_.clock.Now();
  const Instant since = std::max(hosted.last_heard, PausedUntil(hosted, now));
  if (now - since < hosted.lease) {
    WatchSilence(hosted, since);
  } else if (!hosted.confirmed) {
    // The pod may have given this session up before it began, and live on under the leases of an
    // older host that has not heard of it yet.   (P1, P7)
    LetGo(session, CoordinatorUntrusted("the pod has never spoken in this session"));
  } else {
    Condemn(hosted, Cause::kHeartbeatsStopped);
  }
}

// --- Evidence and verdicts

void HostedPods::StreamEnded(SessionNumber session) {
  Hosted* hosted = Find(session);
  if (!hosted) return;
  hosted->stream = nullptr;
  const Instant now = env_.clock.Now();
  const bool paused = now - PausedUntil(*hosted, now) < hosted->lease;
  if (!hosted->confirmed || paused) {
    log::Debug(
        "A stream ended of which the pod may not have known, or which it gave up during a pause of "
        "ours; it has a lease's time to resume.",
        {{"namespace", hosted->ns}, {"incarnation", hosted->incarnation}, {"session", session}});
    return;
  }
  Condemn(*hosted, Cause::kStreamEnded);
}

bool HostedPods::VouchesFor(SessionNumber session) {
  if (!draining_ && Trusted(session, env_.clock.Now())) return true;
  LetGo(session, CoordinatorUntrusted("the session cannot be vouched for"));
  return false;
}

void HostedPods::Condemn(Hosted& hosted, Cause cause) {
  if (hosted.condemned != Cause::kNone) return;
  const SessionNumber session = hosted.session;
  if (!VouchesFor(session)) return;
  hosted.condemned = cause;
  hosted.condemned_at = env_.clock.Now();
  hosted.timer = nullptr;
  if (hosted.profile == Profile::kFast) {
    Declare(session);
  } else {
    SuspectThenDeclare(session);
  }
  // After the verdict is on its way, which waits for nobody's log.
  log::Info(
      "Strong evidence against a pod.",
      {{"namespace", hosted.ns}, {"incarnation", hosted.incarnation}, {"cause", Name(cause)}});
}

// The death waits for the suspicion, which it would otherwise overtake in another thread's
// connection; and then nobody would have been told of it.
void HostedPods::SuspectThenDeclare(SessionNumber session) {
  const Hosted& condemned = hosted_.at(session);
  const auto answered = [this, session](const Result<bool>& suspected) {
    Hosted* hosted = Find(session);
    if (!hosted) return;
    if (suspected && *suspected) {
      hosted->suspected_at = env_.clock.Now();
      env_.measures.Suspected(EvidenceOf(hosted->condemned));
    }
    const Instant surely_ended = hosted->last_granted + Stretched(hosted->lease, env_.timing);
    const Duration rest = std::max(surely_ended - env_.clock.Now(), Duration::zero());
    if (!suspected && rest > kRetry) {
      hosted->timer =
          env_.scheduler.After(kRetry, [this, session] { SuspectThenDeclare(session); });
    } else {
      hosted->timer = env_.scheduler.After(rest, [this, session] { Declare(session); });
    }
  };
  env_.verdicts.Suspect(condemned.ns, condemned.pod(), condemned.condemned, answered);
}

void HostedPods::Declare(SessionNumber session) {
  if (!VouchesFor(session)) return;
  const Hosted& hosted = hosted_.at(session);
  const auto decided = [this, session](const Result<bool>& declared) {
    Hosted* condemned = Find(session);
    if (!condemned) return;
    if (declared) {
      if (*declared) {
        const Instant now = env_.clock.Now();
        env_.measures.Died(condemned->condemned, now - condemned->condemned_at);
        if (condemned->suspected_at) env_.measures.Confirmed(now - *condemned->suspected_at);
        log::Info("Declared DEAD.", {{"namespace", condemned->ns},
                                     {"incarnation", condemned->incarnation},
                                     {"cause", Name(condemned->condemned)}});
      }
      // A void verdict says nothing of the incarnation: it may live in a newer session.
      LetGo(session, *declared ? IncarnationEnded(condemned->incarnation, PodState::kDead,
                                                  condemned->condemned)
                               : SessionTaken(SessionNumber{}));
      return;
    }
    // The database did not answer. While the lock is still proven the evidence is as strong as
    // before; after that it is the probers'.
    if (!VouchesFor(session)) return;
    condemned->timer = env_.scheduler.After(kRetry, [this, session] { Declare(session); });
  };
  env_.verdicts.Declare(hosted.ns, hosted.pod(), hosted.condemned, decided);
}

void HostedPods::Detached(SessionNumber session) {
  if (Hosted* hosted = Find(session)) hosted->stream = nullptr;
}

void HostedPods::Left(SessionNumber session) {
  if (Hosted* hosted = Find(session)) hosted->stream = nullptr;
  LetGo(session, std::nullopt);
}

void HostedPods::LetGo(SessionNumber session, std::optional<Error> told) {
  const auto found = hosted_.find(session);
  if (found == hosted_.end()) return;
  const Hosted hosted = std::move(found->second);
  hosted_.erase(found);
  const auto current = by_incarnation_.find(hosted.incarnation);
  if (current != by_incarnation_.end() && current->second == session)
    by_incarnation_.erase(current);
  env_.liveness.Release(session);
  if (hosted.stream) hosted.stream->End(std::move(told));
}

void HostedPods::LetAllGo(const Error& told) {
  std::vector<SessionNumber> all;
  for (const auto& [session, hosted] : hosted_) all.push_back(session);
  for (const SessionNumber session : all) LetGo(session, told);
}

// --- From the other parts of the coordinator

void HostedPods::Taken(const std::vector<SessionNumber>& sessions) {
  std::erase_if(taken_early_, [&](SessionNumber known) { return !env_.liveness.Knows(known); });
  for (const SessionNumber session : sessions) {
    if (Find(session)) {
      LetGo(session, SessionTaken(SessionNumber{}));
    } else if (env_.liveness.Knows(session)) {
      taken_early_.insert(session);
    }
  }
}

void HostedPods::Superseded(Incarnation incarnation) {
  const auto found = by_incarnation_.find(incarnation);
  if (found == by_incarnation_.end()) return;
  LetGo(found->second, IncarnationEnded(incarnation, PodState::kDead, Cause::kSuperseded));
}

void HostedPods::Retaken(const std::vector<Taking>& takings) {
  std::map<std::string, std::vector<Taking>> by_namespace;
  for (const Taking& taking : takings) {
    const Hosted* hosted = Find(taking.session);
    if (!hosted) continue;  // Its row may be visible already; Host refutes.
    if (hosted->condemned == Cause::kNone) {
      by_namespace[hosted->ns].push_back(taking);
    } else if (VouchesFor(taking.session)) {
      // On the host's own evidence no suspicion is needed, while it is younger than our trust.
      env_.liveness.Confirm(taking);
    }
  }
  for (const auto& [ns, visible] : by_namespace) {
    for (const auto& batch : InBatches(visible)) Refute(ns, batch);
  }
}

void HostedPods::Refute(const std::string& ns, const std::vector<Taking>& takings) {
  std::vector<HostedPod> pods;
  for (const Taking& taking : takings) pods.push_back(hosted_.at(taking.session).pod());
  Ask<std::vector<HostedPod>>(
      env_.sessions, env_.scheduler,
      [ns, pods, &measures = env_.measures](Store& store) {
        return store.Refute(ns, pods, [&measures](Duration stood) { measures.Refuted(stood); });
      },
      [this, takings, pods](const Result<std::vector<HostedPod>>& living) {
        if (!living) {
          log::Failed("Suspicions could not be refuted.", living.error());
          unrefuted_.insert(unrefuted_.end(), takings.begin(), takings.end());
          refute_timer_ =
              env_.scheduler.After(kRetry, [this] { Retaken(std::exchange(unrefuted_, {})); });
          return;
        }
        env_.committed();
        for (size_t i = 0; i < pods.size(); ++i) {
          if (std::find(living->begin(), living->end(), pods[i]) != living->end()) {
            env_.liveness.Confirm(takings[i]);
          } else {
            LetGo(pods[i].session, SessionTaken(SessionNumber{}));
          }
        }
      });
}

void HostedPods::Drain() {
  draining_ = true;
  size_t told = 0;
  for (const auto& [session, hosted] : hosted_) {
    drain_timers_.push_back(
        env_.scheduler.After(kDrainStagger * (told++ / kDrainBatch), [this, session = session] {
          const Hosted* still = Find(session);
          if (still && still->stream) still->stream->Send(DrainingNotice{});
        }));
  }
}

}  // namespace vigil
