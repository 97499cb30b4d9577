#include "coordinator/subscriptions.h"

#include "core/errors.h"

namespace vigil {

void Subscriptions::Opened(const Stream& stream, const std::string& ns,
                           const SubscriptionStart& start) {
  if (draining_) {
    stream->End(CoordinatorDraining());
    return;
  }
  if (subscriptions_.size() >= env_.settings.max_subscribers) {
    stream->End(
        LimitReached("max-subscribers", "this coordinator serves as many subscribers as it may"));
    return;
  }
  auto& subscription = subscriptions_[stream];
  subscription = std::make_unique<Subscription>(env_, ns, start, stream);
  subscription->Start();
}

void Subscriptions::Written(const Stream& stream) {
  const auto found = subscriptions_.find(stream);
  if (found != subscriptions_.end()) found->second->Written();
}

void Subscriptions::Ended(const Stream& stream) { subscriptions_.erase(stream); }

void Subscriptions::Drain() {
  draining_ = true;
  for (auto& [stream, subscription] : subscriptions_) subscription->Drain();
}

}  // namespace vigil
