// How a program follows the event log.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "vigil/client.h"
#include "vigil/error.h"
#include "vigil/event.h"
#include "vigil/pod.h"

namespace vigil::client {

// Start with the oldest event that is retained.
struct FromOldest {};
// Start with a snapshot of the living pods.
struct FromNow {};

// Where a subscription begins: after a cursor (exclusive), or at one of these.
using SubscriptionStart = std::variant<FromNow, FromOldest, Cursor>;

// Proof that the stream lives although nothing happens.
struct Position {
  Cursor cursor;
  // The last event that the coordinator knows to be in the log.
  Seq head;
  // How long ago the coordinator last read the log. When it grows, silence means nothing.
  Duration read_age{};
};

// Follows the log of one namespace, over all coordinators of a client.
//
// Example:
//
//     Subscription subscription(
//         *client, {.ns = "default", .start = Cursor(LoadCursor())},
//         {.on_events = [&](std::span<const Event> events, const Cursor& after) {
//            for (const Event& event : events) Apply(event);
//            SaveCursor(after.text());
//          },
//          .on_end = [&](const Error& why) { Report(why); }});
//
// Every event after the start comes in order, at least once, and none is skipped: a broken, silent,
// LAGGED or DRAINING stream is resumed after the last *applied* cursor, which is that of the last
// callback that returned. Whoever keeps that cursor together with what he made of the events has
// them exactly once.
//
// Owns a thread, on which the callbacks run one at a time. A callback may block: nothing more is
// read until it returns, and a subscription that falls too far behind goes back to the log.
//
// Thread safety: everything may be called from any thread. The destructor waits for a running
// callback, unless that callback is the caller.
//
// Error handling: while no message has come yet, a round over all addresses that fails ends the
// subscription, unless `retry_first` is set. Afterwards whatever can pass is retried for ever, at a
// throttled pace. `on_end` comes at most once, is the last callback, and tells what retrying cannot
// mend: a malformed cursor, or one that is older than the log retains (code OUT_OF_RANGE; start
// again from now).
//
// It does not promise that silence means peace: see Position::read_age.
class Subscription {
 public:
  struct Options {
    std::string ns = "default";
    SubscriptionStart start = FromNow{};
    // No message for so long: the stream is stale, it is dropped and resumed. Coordinators send one
    // every 5 s.
    Duration idle_timeout = std::chrono::seconds(15);
    // Treat failures before the first message like later ones.
    bool retry_first = false;
  };

  struct Callbacks {
    // All living pods, and the position that they stand for. Comes first after FromNow; again only
    // if the stream broke before it was applied.
    std::function<void(std::span<const Pod>, const Cursor&)> on_snapshot;
    // Events, and the position after them.
    std::function<void(std::span<const Event>, const Cursor&)> on_events;
    std::function<void(const Position&)> on_position;
    // The stream was lost and will be resumed by itself. For logs.
    std::function<void(const Error&)> on_interrupted;
    // The subscription is over.
    std::function<void(const Error&)> on_end;
  };

  // Begins to follow. Returns at once.
  Subscription(const Client& client, Options options, Callbacks callbacks);
  ~Subscription();
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

  // No callback starts after it returned; one that runs, runs to its end. No `on_end` comes.
  void Cancel();

 private:
  class Driver;
  std::shared_ptr<Driver> driver_;
};

}  // namespace vigil::client
