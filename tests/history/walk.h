// A history record by record, with where the subscriber stands at each.
#pragma once

#include <optional>

#include "history/validators.h"

namespace vigil::history {

struct Step {
  const Record& record;
  // The subscription that it belongs to; null when none is open.
  const Opened* opened;
  // Where the subscriber stood before it. Nothing while nobody can say: before the end of a
  // snapshot, or at the beginning of a log that was pruned.
  std::optional<Position> before;

  // The record as this kind, or null.
  template <typename What>
  const What* As() const {
    return std::get_if<What>(&record.what);
  }
  const EventFilter& filter() const {
    static const EventFilter everything;
    return opened ? opened->filter : everything;
  }
};

// Where a subscription stands when it begins.
inline std::optional<Position> Begins(const Start& start, const Reference& reference) {
  if (const auto* after = std::get_if<Position>(&start)) return *after;
  const bool whole = std::holds_alternative<FromOldest>(start) && reference.oldest.value == 1;
  return whole ? std::optional(Position{}) : std::nullopt;
}

// The position that a record tells or implies.
inline std::optional<Position> Tells(const Record& record) {
  if (const auto* events = std::get_if<EventsTold>(&record.what)) return events->position;
  if (const auto* told = std::get_if<PositionTold>(&record.what)) return told->position;
  if (const auto* snapshot = std::get_if<SnapshotTold>(&record.what)) return snapshot->position;
  if (const auto* end = std::get_if<Ended>(&record.what)) return end->position;
  return std::nullopt;
}

template <typename Visit>
void Walk(const History& history, const Reference& reference, Visit visit) {
  const Opened* opened = nullptr;
  std::optional<Position> stands;
  for (const Record& record : history) {
    visit(Step{record, opened, stands});
    if (const auto* begins = std::get_if<Opened>(&record.what)) {
      opened = begins;
      stands = Begins(begins->start, reference);
    } else if (std::holds_alternative<Ended>(record.what)) {
      opened = nullptr;
      stands.reset();
    } else if (const auto told = Tells(record)) {
      stands = told;
    }
  }
}

}  // namespace vigil::history
