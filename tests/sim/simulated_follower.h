// One who follows the event log: a subscription that goes on elsewhere from its cursor whenever it
// ends, is silent, or breaks. It keeps a history of what it was told.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "history/history.h"
#include "sim/pod_life.h"

namespace vigil::sim {

class SimulatedFollower {
 public:
  struct Hears {
    // Events, right after those before.
    std::function<void(const std::vector<Event>&)> events;
    // Everything of one subscription, when it is over.   (P8)
    std::function<void(const history::History&)> subscription;
  };

  SimulatedFollower(PodSite site, int first_address, Chance chance, Hears hears);

  const history::History& history() const { return history_; }
  int address() const { return address_; }

  // The connection breaks; the coordinator is told unless it is gone.
  void Break();

  // It reads nothing any more, though its connection stays; it reads on.
  void Stall() { stalled_ = true; }
  void ReadOn();

 private:
  class Feed;

  SubscriptionStart NextStart();
  void Subscribe();
  // The subscription is over, one way or another.
  void Over(const history::Ended& end);
  void GoOnSoon();
  void Heard(const Feed& feed, const SubscriberMessage& message);
  void WatchSilence();
  void Note(history::Record record);

  const PodSite site_;
  Chance chance_;
  const Hears hears_;
  int address_;
  bool stalled_ = false;
  history::History history_;
  size_t opened_ = 0;  // where in the history the last subscription begins
  std::shared_ptr<Feed> feed_;
  std::unique_ptr<Timer> silence_timer_;
  std::unique_ptr<Timer> retry_timer_;
};

}  // namespace vigil::sim
