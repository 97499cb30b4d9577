// All subscriptions of this coordinator.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "coordinator/subscription.h"

namespace vigil {

// Bounds their number and ends them together. Runs on the loop's thread.
class Subscriptions {
 public:
  using Stream = std::shared_ptr<SubscriberStream>;

  explicit Subscriptions(const Subscription::Environment& environment) : env_(environment) {}

  void Opened(const Stream& stream, const std::string& ns, const SubscriptionStart& start);
  void Written(const Stream& stream);
  // The stream is over, whoever ended it. The last call for it.
  void Ended(const Stream& stream);

  // Ends all with DRAINING and takes no new one.
  void Drain();

  size_t size() const { return subscriptions_.size(); }

 private:
  const Subscription::Environment env_;
  std::unordered_map<Stream, std::unique_ptr<Subscription>> subscriptions_;
  bool draining_ = false;
};

}  // namespace vigil
