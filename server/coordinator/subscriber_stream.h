// What a subscriber asks for, what it is told, and the stream that tells it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "coordinator/delivery.h"
#include "coordinator/wire_forms.h"
#include "core/cursor.h"
#include "core/types.h"

namespace vigil {

// Where a subscription begins.
struct FromOldest {};
struct FromNow {};
using SubscriptionStart = std::variant<Cursor, FromOldest, FromNow>;

enum class Protocol { kGrpc, kHttp };

struct SubscriptionRequest {
  std::string ns;
  SubscriptionStart start;
  EventFilter filter;
  Protocol protocol = Protocol::kGrpc;
  // Why the subscriber may not be told any more; nothing while it may. Asked before each message;
  // none: whoever reaches it may. The log's thread.
  std::function<std::optional<Error>()> refusal = {};
};

// --- What a subscriber is told.

struct SnapshotPart {
  std::vector<Pod> pods;
  // On the last part only.
  std::optional<Cursor> cursor;
  mutable WireForms forms;
};

using DeliveredPods = std::shared_ptr<const SnapshotPart>;
using DeliveredEvents = std::shared_ptr<const Delivery>;

struct PositionNotice {
  Cursor cursor;
  Seq oldest;
  Seq head;
  Duration read_age{};
};

enum class EndReason { kExpired, kLagged, kDraining };
struct EndNotice {
  EndReason reason = EndReason::kExpired;
  // From where to resume; not when it has EXPIRED, nor within a snapshot.
  std::optional<Cursor> cursor;
  // What the log holds; when it has EXPIRED.
  Seq oldest;
  Seq head;
};

using SubscriberMessage = std::variant<DeliveredPods, DeliveredEvents, PositionNotice, EndNotice>;

// A subscriber's stream. Called on the log's thread; never blocks and never calls back from inside
// a call.
class SubscriberStream {
 public:
  virtual ~SubscriberStream() = default;
  // Writes one message; Written is due when the next may follow.
  virtual void Write(const SubscriberMessage& message) = 0;
  // Ends the stream after what was written; without an error, with success.
  virtual void End(std::optional<Error> error) = 0;
  // Ends the stream at once, whatever is under way: the subscriber does not read.
  virtual void Cancel() = 0;
};

}  // namespace vigil
