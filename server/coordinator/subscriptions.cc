#include "coordinator/subscriptions.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "core/errors.h"

namespace vigil {
namespace {

// So that few are ended at once, and thousands do not knock at the other coordinators' doors
// together.
constexpr Duration kDrainStep = std::chrono::milliseconds(10);
constexpr Duration kDrainEach = std::chrono::milliseconds(1);

}  // namespace

Subscriptions::Subscriptions(const Environment& environment)
    : snapshots_(environment.replay, environment.scheduler, environment.clock),
      env_{environment.log,       environment.proof, environment.replay,   snapshots_,
           environment.scheduler, environment.clock, environment.settings, environment.measures},
      random_(environment.seed) {}

void Subscriptions::Opened(const Stream& stream, SubscriptionRequest request) {
  if (draining_) {
    stream->End(CoordinatorDraining());
    return;
  }
  if (subscriptions_.size() >= env_.settings.max_subscribers) {
    stream->End(
        LimitReached("max-subscribers", "this coordinator serves as many subscribers as it may"));
    return;
  }
  ++over_[static_cast<size_t>(request.protocol)];
  auto& subscription = subscriptions_[stream];
  subscription = std::make_unique<Subscription>(env_, std::move(request), stream);
  subscription->Start();
}

void Subscriptions::Written(const Stream& stream) {
  const auto found = subscriptions_.find(stream);
  if (found != subscriptions_.end()) found->second->Written();
}

void Subscriptions::Ended(const Stream& stream) {
  const auto found = subscriptions_.find(stream);
  if (found == subscriptions_.end()) return;
  found->second->Gone();
  --over_[static_cast<size_t>(found->second->protocol())];
  subscriptions_.erase(found);
}

void Subscriptions::Drain(Duration longest, std::function<void()> done) {
  log::Info("Ending the subscriptions.", {{"subscribers", subscriptions_.size()}});
  draining_ = true;
  drained_ = std::move(done);
  for (const auto& [stream, subscription] : subscriptions_) to_drain_.emplace_back(stream);
  std::ranges::shuffle(to_drain_, random_);
  const auto count = static_cast<Duration::rep>(to_drain_.size());
  const auto steps = std::max<Duration::rep>(1, std::min(longest, kDrainEach * count) / kDrainStep);
  DrainSome(static_cast<size_t>((count + steps - 1) / steps));
}

void Subscriptions::DrainSome(size_t share) {
  for (size_t i = 0; i < share && !to_drain_.empty(); ++i) {
    const auto found = subscriptions_.find(to_drain_.back().lock());
    to_drain_.pop_back();
    if (found != subscriptions_.end()) found->second->Drain();
  }
  if (to_drain_.empty()) return drained_();
  drain_timer_ = env_.scheduler.After(kDrainStep, [this, share] { DrainSome(share); });
}

}  // namespace vigil
