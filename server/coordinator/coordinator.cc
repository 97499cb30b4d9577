#include "coordinator/coordinator.h"

#include <algorithm>
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
      settings_(settings),
      event_log_({env_.database, env_.lanes.log, env_.log_scheduler, env_.clock, commit_proof_,
                  env_.measures},
                 settings),
      news_(env_.log_scheduler, event_log_),
      assigner_(env_.lanes.recovery, env_.scheduler, env_.clock, settings.recovery_interval,
                env_.seed, [this] { news_.Wake(); }),
      liveness_(env_.database, env_.scheduler, env_.clock, settings.timing,
                settings.liveness_sessions, env_.seed, env_.measures),
      membership_(env_.database, env_.lanes.renewals, env_.scheduler, env_.clock, settings.timing,
                  address, env_.seed,
                  {.taken = [this](const auto& sessions) { hosted_.Taken(sessions); },
                   .given_up =
                       [this] {
                         hosted_.LetAllGo(
                             CoordinatorUntrusted("other coordinators have given this one up"));
                       },
                   .renewed = [this](Instant sent) { commit_proof_.Prove(sent); }}),
      link_(membership_, liveness_, settings.timing),
      lock_table_(settings.lock_table_percent),
      verdicts_(env_.lanes.verdicts, env_.scheduler, news_, assigner_),
      hosted_({env_.lanes.sessions, env_.scheduler, env_.clock, liveness_, membership_, link_,
               verdicts_, env_.measures, settings.timing, [this] { news_.Wake(); }}),
      conversations_(
          {env_.lanes.sessions, env_.scheduler, env_.clock, liveness_, membership_, link_, hosted_,
           lock_table_, assigner_, env_.measures, env_.make_token, [this] { news_.Wake(); }},
          settings),
      subscriptions_({event_log_, commit_proof_, env_.lanes.replay, env_.log_scheduler, env_.clock,
                      settings, env_.seed, env_.measures}),
      prober_(env_.lanes.probe, env_.scheduler, env_.clock, settings.timing,
              settings.mass_suspicion, membership_, lock_table_, assigner_, env_.measures,
              env_.seed, [this] { news_.Wake(); }),
      pruner_(env_.lanes.pruning, env_.scheduler, env_.clock, settings.retention,
              settings.prune_interval, env_.seed),
      census_(env_.lanes.pruning, env_.scheduler, env_.clock, env_.seed) {
  liveness_.OnRetaken([this](const auto& sessions) { hosted_.Retaken(sessions); });
}

void Coordinator::Start() {
  env_.log_scheduler.Post([this] { event_log_.Start(); });
  liveness_.Start();
  membership_.Start();
  hosted_.Start();
  prober_.Start();
  pruner_.Start();
  assigner_.Start();
  census_.Start();
}

CoordinatorStanding Coordinator::standing() const {
  const auto proven = std::min(membership_.renewed(), liveness_.LeastAnswered());
  return {.trusted_until = proven ? *proven + settings_.timing.trust_window : Instant{},
          .hosted = hosted_.size(),
          .most_hosted = settings_.max_pods,
          .cluster = prober_.view(),
          .lock_limit = lock_table_.limit(),
          .waiting = census_.waiting()};
}

LogStanding Coordinator::log_standing() const {
  LogStanding standing = event_log_.standing();
  standing.over_grpc = subscriptions_.over(Protocol::kGrpc);
  standing.over_http = subscriptions_.over(Protocol::kHttp);
  return standing;
}

LinkHealth Coordinator::Health() const {
  LinkHealth health = link_.Health(env_.clock.Now());
  health.no_room_for_new = conversations_.NoRoomForNew();
  health.no_room_for_moved = conversations_.NoRoomForMoved();
  return health;
}

void Coordinator::Drain(Duration patience, std::function<void()> done) {
  log::Info("Draining.", {{"pods", hosted_.size()}});
  conversations_.Drain();
  env_.log_scheduler.Post([this, patience] {
    subscriptions_.Drain(patience / 2,
                         [this] { env_.scheduler.Post([this] { subscribers_told_ = true; }); });
  });
  hosted_.Drain();
  WaitUntilMoved(env_.clock.Now() + patience, std::move(done));
}

void Coordinator::WaitUntilMoved(Instant deadline, std::function<void()> done) {
  const bool all_gone = hosted_.size() == 0 && subscribers_told_;
  if (all_gone || env_.clock.Now() >= deadline) {
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
