#include "history/from_coordinator.h"

namespace vigil::history {
namespace {

std::optional<Position> PositionOf(const std::optional<Cursor>& cursor) {
  return cursor ? std::optional(cursor->position) : std::nullopt;
}

EndReason ReasonOf(vigil::EndReason reason) {
  switch (reason) {
    case vigil::EndReason::kExpired:
      return EndReason::kExpired;
    case vigil::EndReason::kLagged:
      return EndReason::kLagged;
    case vigil::EndReason::kDraining:
      return EndReason::kDraining;
  }
  return EndReason::kExpired;
}

struct ToRecord {
  decltype(Record::what) operator()(const DeliveredPods& part) const {
    SnapshotTold told{.pods = {}, .position = PositionOf(part->cursor)};
    for (const Pod& pod : part->pods) told.pods.push_back(pod.incarnation);
    return told;
  }
  decltype(Record::what) operator()(const DeliveredEvents& delivered) const {
    return EventsTold{.events = delivered->events(),
                      .position = delivered->cursor().position,
                      .bytes = delivered->bytes()};
  }
  decltype(Record::what) operator()(const PositionNotice& notice) const {
    return PositionTold{
        .position = notice.cursor.position, .head = notice.head, .read_age = notice.read_age};
  }
  decltype(Record::what) operator()(const EndNotice& notice) const {
    Ended ended;
    ended.reason = ReasonOf(notice.reason);
    ended.position = PositionOf(notice.cursor);
    if (notice.reason == vigil::EndReason::kExpired) {
      ended.oldest = notice.oldest;
      ended.head = notice.head;
    }
    return ended;
  }
};

}  // namespace

Opened FromRequest(const SubscriptionRequest& request) {
  Opened opened{.start = FromNow{}, .filter = request.filter};
  if (const auto* after = std::get_if<Cursor>(&request.start)) {
    opened.start = after->position;
  } else if (std::holds_alternative<vigil::FromOldest>(request.start)) {
    opened.start = FromOldest{};
  }
  return opened;
}

Record FromMessage(const SubscriberMessage& message, Instant at) {
  return {at, std::visit(ToRecord{}, message)};
}

}  // namespace vigil::history
