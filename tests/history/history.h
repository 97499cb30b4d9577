// What one subscriber was told, from its first subscription to its last, as a test recorded it.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "core/event_filter.h"
#include "core/types.h"

namespace vigil::history {

// Where a subscription began.
struct FromNow {};
struct FromOldest {};
using Start = std::variant<FromNow, FromOldest, Position>;

// A subscription was asked for: the first one, or one that goes on.
struct Opened {
  Start start;
  EventFilter filter = {};
};

// Some of the pods of a snapshot; with the last part the position that it stands for.
struct SnapshotTold {
  std::vector<Incarnation> pods;
  std::optional<Position> position;
};

// One delivery, and the position after it. What a transport does not tell of an event (its mark,
// the end of its transaction) is zero.
struct EventsTold {
  std::vector<Event> events;
  Position position;
  // As it was on the wire; 0 where that is not known.
  size_t bytes = 0;
};

struct PositionTold {
  Position position;
  Seq head;
  Duration read_age{};
  std::optional<Seq> oldest = std::nullopt;
};

// The subscriber did not read for a while; what was under way it read when it went on, here.
struct Stalled {};

enum class EndReason { kExpired, kLagged, kDraining };

// The subscription is over, in exactly one of these ways; in none of them if nobody said why.
struct Ended {
  std::optional<EndReason> reason = std::nullopt;
  // As the end told them.
  std::optional<Position> position = std::nullopt;
  std::optional<Seq> oldest = std::nullopt;
  std::optional<Seq> head = std::nullopt;
  // The status that it ended with, in words.
  std::string error;
  // The test took the subscriber, the coordinator or what is between them away.
  bool broken = false;
};

struct Record {
  Instant at{};
  std::variant<Opened, SnapshotTold, EventsTold, PositionTold, Stalled, Ended> what;
};

// In the order in which the subscriber applied it: when it goes on, it is from the position after
// the last record that it applied, or from an earlier one.
using History = std::vector<Record>;

// The position after all that was told: from there one resumes. Nothing after EXPIRED.
std::optional<Position> LastPosition(const History& history);

// How many events were told.
size_t EventCount(const History& history);

}  // namespace vigil::history
