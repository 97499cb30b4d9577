// Gets one work item for one pod, sooner or later.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "vigil/boot_clock.h"
#include "vigil/client.h"
#include "vigil/error.h"
#include "vigil/event.h"
#include "vigil/types.h"
#include "vigil/work.h"

namespace vigil::client {

// How the item was had.
struct Ownership {
  WorkItem item;
  // False when the pod was the first to start it, or took it when nobody owned it.
  bool claimed = false;
  Incarnation previous_owner;
  // The event that made it claimable, when one did, and when it arrived.
  EventKind event = EventKind::kUnknown;
  Time event_at{};
  Time owned_at{};
};

// Starts the item, or stands by while a living pod owns it, and claims it in the callback of the
// very event that makes it claimable. A slow poll beside the events covers what no event tells.
//
// Owns a thread for the starts and polls, and a subscription for the events. Handlers are called on
// either, at most one of on_owned and on_completed, once.
//
// Thread safety: everything may be called from any thread but a handler's. The destructor waits for
// a running handler.
//
// It does not watch the pod's lease, and it cannot be hurried: the destructor waits for a call that
// is under way. Once a handler was called with the end of the contest it is idle.
class Contender {
 public:
  struct Options {
    std::string ns;
    std::string key;
    std::string payload;
    Incarnation self;
    // Between two polls when all is well; a random half to whole.
    Duration poll_interval = std::chrono::seconds(10);
  };

  struct Handlers {
    std::function<void(const Ownership&)> on_owned;
    std::function<void(const WorkItem&)> on_completed;
    // A living pod owns it; comes again when the owner changes.
    std::function<void(const WorkItem&)> on_standing_by;
    // Something failed and will be tried again.
    std::function<void(const Error&)> on_trouble;
  };

  Contender(const Client& client, Options options, Handlers handlers);
  ~Contender();
  Contender(const Contender&) = delete;
  Contender& operator=(const Contender&) = delete;

 private:
  class Contest;
  std::unique_ptr<Contest> contest_;
};

}  // namespace vigil::client
