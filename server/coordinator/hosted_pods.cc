#include "coordinator/hosted_pods.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/log.h"
#include "core/errors.h"

namespace vigil {
namespace {

constexpr Duration kTurnInterval = std::chrono::milliseconds(100);
// The loop did not turn for this long: what pods sent meanwhile is still in the sockets.
constexpr Duration kPause = std::chrono::milliseconds(500);
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
  if (JustPaused(now)) {
    log::Warning("The coordinator was paused; silence meanwhile says nothing about its pods.");
    for (auto& [session, hosted] : hosted_) hosted.last_heard = now;
  }
  last_turn_ = now;
  turn_timer_ = env_.scheduler.After(kTurnInterval, [this] { Turn(); });
}

bool HostedPods::JustPaused(Instant now) const { return now - last_turn_ > kPause; }

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
    env_.liveness.Release(pod.session);
    if (stream) stream->End(SessionTaken(other->second));
    return;
  }
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
  if (granted) hosted->last_granted = now;
  const bool degraded = !granted || !env_.liveness.Healthy(now);
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
  if (JustPaused(now)) {
    WatchSilence(hosted, now);
  } else if (now - hosted.last_heard < hosted.lease) {
    WatchSilence(hosted, hosted.last_heard);
  } else {
    Condemn(hosted, Cause::kHeartbeatsStopped);
  }
}

// --- Evidence and verdicts

void HostedPods::StreamEnded(SessionNumber session) {
  Hosted* hosted = Find(session);
  if (!hosted) return;
  hosted->stream = nullptr;
  if (!hosted->confirmed) {
    log::Debug(
        "A stream ended before its first heartbeat; the pod may not know of the session.",
        {{"namespace", hosted->ns}, {"incarnation", hosted->incarnation}, {"session", session}});
    return;
  }
  Condemn(*hosted, Cause::kStreamEnded);
}

void HostedPods::Condemn(Hosted& hosted, Cause cause) {
  if (hosted.condemned != Cause::kNone) return;
  const Instant now = env_.clock.Now();
  const SessionNumber session = hosted.session;
  if (draining_ || JustPaused(now) || !Trusted(session, now)) {
    LetGo(session, CoordinatorUntrusted("the session cannot be vouched for"));
    return;
  }
  hosted.condemned = cause;
  log::Info(
      "Strong evidence against a pod.",
      {{"namespace", hosted.ns}, {"incarnation", hosted.incarnation}, {"cause", Name(cause)}});
  if (hosted.profile == Profile::kFast) {
    Declare(session);
    return;
  }
  env_.verdicts.Suspect(hosted.ns, hosted.pod(), cause, [](const Result<bool>&) {});
  const Instant surely_ended = hosted.last_granted + Stretched(hosted.lease, env_.timing);
  hosted.timer = env_.scheduler.After(std::max(surely_ended - now, Duration::zero()),
                                      [this, session] { Declare(session); });
}

void HostedPods::Declare(SessionNumber session) {
  const Hosted& hosted = hosted_.at(session);
  const auto decided = [this, session](const Result<bool>& declared) {
    Hosted* condemned = Find(session);
    if (!condemned) return;
    if (declared) {
      if (*declared) {
        log::Info("Declared DEAD.", {{"namespace", condemned->ns},
                                     {"incarnation", condemned->incarnation},
                                     {"cause", Name(condemned->condemned)}});
      }
      LetGo(session,
            IncarnationEnded(condemned->incarnation, PodState::kDead, condemned->condemned));
      return;
    }
    // The database did not answer. While the lock is still proven the evidence is as strong as
    // before; after that it is the probers'.
    if (draining_ || !Trusted(session, env_.clock.Now())) {
      LetGo(session, CoordinatorUntrusted("the session cannot be vouched for"));
      return;
    }
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
  for (const SessionNumber session : sessions) LetGo(session, SessionTaken(SessionNumber{}));
}

void HostedPods::Retaken(const std::vector<SessionNumber>& sessions) {
  std::map<std::string, std::vector<HostedPod>> by_namespace;
  std::vector<SessionNumber> unsuspected;
  for (const SessionNumber session : sessions) {
    const Hosted* hosted = Find(session);
    if (hosted && hosted->condemned == Cause::kNone) {
      by_namespace[hosted->ns].push_back(hosted->pod());
    } else {
      unsuspected.push_back(session);  // Not visible yet, or condemned on the host's own evidence.
    }
  }
  env_.liveness.Confirm(unsuspected);
  for (const auto& [ns, pods] : by_namespace) Refute(ns, pods);
}

void HostedPods::Refute(const std::string& ns, const std::vector<HostedPod>& pods) {
  std::vector<SessionNumber> sessions;
  for (const HostedPod& pod : pods) sessions.push_back(pod.session);
  Ask<std::vector<HostedPod>>(
      env_.requests, env_.scheduler, [ns, pods](Store& store) { return store.Refute(ns, pods); },
      [this, sessions](const Result<std::vector<HostedPod>>& refuted) {
        if (refuted) {
          if (!refuted->empty()) env_.committed();
          env_.liveness.Confirm(sessions);
          return;
        }
        log::Failed("Suspicions could not be refuted.", refuted.error());
        unrefuted_.insert(sessions.begin(), sessions.end());
        refute_timer_ = env_.scheduler.After(kRetry, [this] {
          const std::vector<SessionNumber> again(unrefuted_.begin(), unrefuted_.end());
          unrefuted_.clear();
          Retaken(again);
        });
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
