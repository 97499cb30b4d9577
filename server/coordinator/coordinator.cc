#include "coordinator/coordinator.h"

#include <utility>

#include "base/log.h"
#include "core/errors.h"

namespace vigil {
namespace {

constexpr Duration kDrainCheck = std::chrono::milliseconds(20);

}  // namespace

Coordinator::Coordinator(const Environment& environment, const CoordinatorSettings& settings,
                         const std::string& address)
    : env_(environment),
      event_log_(env_.database, env_.lanes.log, env_.scheduler, env_.clock,
                 settings.log_poll_interval),
      liveness_(env_.database, env_.scheduler, env_.clock, settings.timing,
                settings.liveness_sessions, env_.seed),
      membership_(env_.database, env_.lanes.renewals, env_.scheduler, env_.clock, settings.timing,
                  address, env_.seed,
                  {.taken = [this](const auto& sessions) { hosted_.Taken(sessions); },
                   .given_up =
                       [this] {
                         hosted_.LetAllGo(
                             CoordinatorUntrusted("other coordinators have given this one up"));
                       }}),
      link_(membership_, liveness_, settings.timing),
      lock_table_(settings.lock_table_percent),
      verdicts_(env_.lanes.verdicts, env_.scheduler,
                [this](const auto& ns, const auto& written) { event_log_.Committed(ns, written); }),
      hosted_({env_.lanes.sessions, env_.scheduler, env_.clock, liveness_, membership_, link_,
               verdicts_, settings.timing, [this] { event_log_.Wake(); }}),
      conversations_({env_.lanes.sessions, env_.scheduler, env_.clock, liveness_, membership_,
                      link_, hosted_, lock_table_, env_.make_token, [this] { event_log_.Wake(); }},
                     settings),
      subscriptions_({event_log_, link_, env_.lanes.log, env_.scheduler, env_.clock, settings}),
      prober_(env_.lanes.probe, env_.scheduler, env_.clock, settings.timing,
              settings.mass_suspicion, membership_, lock_table_, env_.seed,
              [this] { event_log_.Wake(); }) {
  liveness_.OnRetaken([this](const auto& sessions) { hosted_.Retaken(sessions); });
}

void Coordinator::Start() {
  event_log_.Start();
  liveness_.Start();
  membership_.Start();
  hosted_.Start();
  prober_.Start();
}

void Coordinator::Drain(Duration patience, std::function<void()> done) {
  log::Info("Draining.", {{"pods", hosted_.size()}, {"subscribers", subscriptions_.size()}});
  conversations_.Drain();
  subscriptions_.Drain();
  hosted_.Drain();
  WaitUntilMoved(env_.clock.Now() + patience, std::move(done));
}

void Coordinator::WaitUntilMoved(Instant deadline, std::function<void()> done) {
  if (hosted_.size() == 0 || env_.clock.Now() >= deadline) {
    if (hosted_.size() > 0) {
      log::Warning("Not all pods have moved in time; they will resume on their own.",
                   {{"pods", hosted_.size()}});
    }
    membership_.Leave(std::move(done));
    return;
  }
  drain_timer_ = env_.scheduler.After(
      kDrainCheck, [this, deadline, done = std::move(done)] { WaitUntilMoved(deadline, done); });
}

}  // namespace vigil
