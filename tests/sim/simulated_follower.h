// One who follows the event log: a subscription that goes on elsewhere from its cursor whenever it
// ends, is silent, or breaks.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "sim/pod_life.h"

namespace vigil::sim {

class SimulatedFollower {
 public:
  struct Hears {
    // Events, right after those before.
    std::function<void(const std::vector<Event>&)> events;
    // Something that must not happen.   (P8)
    std::function<void(const std::string&)> violation;
  };

  SimulatedFollower(PodSite site, int first_address, Chance chance, Hears hears);

  // The position up to which it was told; nothing before its first subscription.
  std::optional<Seq> position() const;
  int address() const { return address_; }

  // The connection breaks; the coordinator is told unless it is gone.
  void Break();

 private:
  class Feed;

  void Subscribe();
  void GoOnSoon();
  void Heard(const Feed& feed, const SubscriberMessage& message);
  void Take(const DeliveredEvents& delivered);
  void WatchSilence();

  const PodSite site_;
  Chance chance_;
  const Hears hears_;
  int address_;
  std::optional<Cursor> cursor_;
  std::shared_ptr<Feed> feed_;
  std::unique_ptr<Timer> silence_timer_;
  std::unique_ptr<Timer> retry_timer_;
};

}  // namespace vigil::sim
