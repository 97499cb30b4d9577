// All subscriptions of this coordinator.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <random>
#include <unordered_map>
#include <vector>

#include "coordinator/subscription.h"

namespace vigil {

// Bounds their number, whatever protocol they speak, and ends them together. Runs on the log's
// thread.
class Subscriptions {
 public:
  using Stream = std::shared_ptr<SubscriberStream>;

  struct Environment {
    EventLog& log;
    const CommitProof& proof;
    Lane& replay;
    Scheduler& scheduler;
    const Clock& clock;
    CoordinatorSettings settings;
    uint64_t seed = 0;
    Measures& measures;
  };

  explicit Subscriptions(const Environment& environment);

  void Opened(const Stream& stream, SubscriptionRequest request);
  void Written(const Stream& stream);
  // The stream is over, whoever ended it. The last call for it.
  void Ended(const Stream& stream);

  // Takes no new one, and ends all with DRAINING, then calls `done`. They come back to other
  // coordinators at once, so many are ended one after another, in no order, over at most `longest`.
  void Drain(Duration longest, std::function<void()> done);

  size_t size() const { return subscriptions_.size(); }
  size_t over(Protocol protocol) const { return over_[static_cast<size_t>(protocol)]; }

 private:
  void DrainSome(size_t share);

  Snapshots snapshots_;
  const Subscription::Environment env_;
  std::mt19937_64 random_;
  std::unordered_map<Stream, std::unique_ptr<Subscription>> subscriptions_;
  // By protocol.
  std::array<size_t, 2> over_{};
  bool draining_ = false;
  std::vector<std::weak_ptr<SubscriberStream>> to_drain_;
  std::function<void()> drained_;
  std::unique_ptr<Timer> drain_timer_;
};

}  // namespace vigil
