#include "history/history.h"

namespace vigil::history {

std::optional<Position> LastPosition(const History& history) {
  for (auto record = history.rbegin(); record != history.rend(); ++record) {
    const auto* ended = std::get_if<Ended>(&record->what);
    if (ended && ended->reason == EndReason::kExpired) return std::nullopt;
    if (const auto* events = std::get_if<EventsTold>(&record->what)) return events->position;
    if (const auto* told = std::get_if<PositionTold>(&record->what)) return told->position;
    const auto* snapshot = std::get_if<SnapshotTold>(&record->what);
    if (snapshot && snapshot->position) return snapshot->position;
    if (const auto* opened = std::get_if<Opened>(&record->what)) {
      const auto* after = std::get_if<Position>(&opened->start);
      return after ? std::optional(*after) : std::nullopt;
    }
  }
  return std::nullopt;
}

size_t EventCount(const History& history) {
  size_t count = 0;
  for (const Record& record : history) {
    if (const auto* told = std::get_if<EventsTold>(&record.what)) count += told->events.size();
  }
  return count;
}

}  // namespace vigil::history
