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

// Proof that the stream lives although nothing happens, or nothing that the filter lets through.
struct Position {
  Cursor cursor;
  // The event that `cursor` stands after; zero at the beginning. Replay is over when it has reached
  // `head`.
  Seq seq;
  // The last event that the coordinator knows to be in the log.
  Seq head;
  // The oldest event that is retained, as far as the coordinator knows; one after `head` when none
  // is.
  Seq oldest;
  // How long ago the coordinator last read the log. When it grows, silence means nothing.
  Duration read_age{};
};

// How a subscription went on after its stream was lost.
struct Resumption {
  // The coordinator that it follows now.
  std::string address;
  // Where it went on; empty when nothing had been applied yet.
  Cursor after;
  // From the loss of the stream on.
  Duration interrupted{};
  // Streams that were opened since.
  std::uint64_t attempts = 0;
};

// Follows the log of one namespace, over all coordinators of a client.
//
// Example:
//
//     const std::string saved = LoadText();  // empty at the first start
//     Subscription subscription(
//         *client,
//         {.start = saved.empty() ? SubscriptionStart(FromOldest{}) : Cursor(saved),
//          .filter = {.kinds = {EventKind::kPodDied, EventKind::kPodLeft}}},
//         {.on_events =
//              [&](std::span<const Event> events, const Cursor& after) {
//                for (const Event& event : events) Apply(event);
//                SaveText(after.text());
//              },
//          .on_position = [&](const Position& position) { SaveText(position.cursor.text()); },
//          .on_end = [&](const Error& why) { Report(why); }});
//
// Every event after the start comes in order, at least once, and none is skipped: a broken, silent,
// LAGGED or DRAINING stream is resumed after the last *applied* cursor, which is that of the last
// callback that returned. Whoever keeps that cursor together with what he made of the events has
// them exactly once. Keep the cursors of positions, too: where nothing passes the filter for long,
// the last event's is older than the log in the end, although nothing was missed.
//
// A coordinator that cannot read the log for longer than `read_tolerance` is left, if another one
// says that it reads it. While none does, as in an outage of the database, the subscription stays
// where it is. It moves like that at most once in 30 s.
//
// Owns a thread, on which the callbacks run one at a time. A callback may block: nothing more is
// read until it returns, and a subscription that falls too far behind goes back to the log.
//
// Thread safety: everything may be called from any thread. The destructor waits for a running
// callback, unless that callback is the caller.
//
// Error handling: while no message has come yet, a round over all addresses that fails ends the
// subscription, unless `retry_first` is set. Afterwards whatever can pass is retried for ever: at
// once after a stream that was healthy for 10 s, else at a throttled and random pace of at most
// 10 s. `on_end` comes at most once, is the last callback, and tells what retrying cannot mend:
//
//   INVALID_ARGUMENT  options that make no sense, or text that cannot be a cursor (found before
//                     anything is sent), or is none of this log (INVALID_CURSOR)
//   OUT_OF_RANGE      EXPIRED: the log no longer has what follows the cursor. Metadata: `cursor`,
//                     and `oldest` and `head`, the numbers of the events that are retained. Start
//                     again from now or from the oldest; what lies between is lost
//
// It does not promise that silence means peace: see Position::read_age.
class Subscription {
 public:
  struct Options {
    std::string ns = "default";
    SubscriptionStart start = FromNow{};
    EventFilter filter;
    // No message for so long: the stream is stale, it is dropped and resumed. Coordinators send one
    // every 5 s. At most 1 h.
    Duration idle_timeout = std::chrono::seconds(15);
    // See above. At most 1 h.
    Duration read_tolerance = std::chrono::seconds(10);
    // Treat failures before the first message like later ones.
    bool retry_first = false;
  };

  struct Callbacks {
    // All living pods with the filter's labels, and the position that they stand for. Comes first
    // after FromNow; again only if the stream broke before it was applied.
    std::function<void(std::span<const Pod>, const Cursor&)> on_snapshot;
    // Events, and the position after them.
    std::function<void(std::span<const Event>, const Cursor&)> on_events;
    std::function<void(const Position&)> on_position;
    // The stream was lost and will be resumed by itself; or an attempt to resume it failed, and
    // another one follows. For logs. When the coordinator ended it, the metadata say how: `end` is
    // LAGGED, DRAINING or empty, and `cursor` is where the stream stood.
    std::function<void(const Error&)> on_interrupted;
    // The first message came since then: this, before the message itself. For logs.
    std::function<void(const Resumption&)> on_resumed;
    // The subscription is over.
    std::function<void(const Error&)> on_end;
  };

  // Begins to follow. Returns at once.
  Subscription(const Client& client, Options options, Callbacks callbacks);
  ~Subscription();
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

  // No callback begins any more, and no `on_end` comes; but one that had begun may still run when
  // it returns. The destructor waits for that.
  void Cancel();

 private:
  class Driver;
  std::shared_ptr<Driver> driver_;
};

}  // namespace vigil::client
