#include "http/event_text.h"

#include <fmt/format.h>

#include <chrono>
#include <optional>
#include <utility>

#include "core/cursor.h"
#include "core/errors.h"
#include "http/answer.h"
#include "http/events_target.h"
#include "http/json.h"

namespace vigil {
namespace {

void AddBlock(std::string& text, std::string_view event, std::string_view id,
              std::string_view data) {
  fmt::format_to(std::back_inserter(text), "event: {}\n", event);
  if (!id.empty()) fmt::format_to(std::back_inserter(text), "id: {}\n", id);
  fmt::format_to(std::back_inserter(text), "data: {}\n\n", data);
}

EventText Shared(std::string text) { return std::make_shared<const std::string>(std::move(text)); }

std::string IdOf(const std::optional<Cursor>& cursor) {
  return cursor ? FormatCursor(*cursor) : std::string();
}

EventText WriteOutPods(const SnapshotPart& part) {
  std::string text;
  AddBlock(text, "snapshot", IdOf(part.cursor), ToJson(part));
  return Shared(std::move(text));
}

EventText WriteOutEvents(const Delivery& delivery) {
  std::string text;
  Position told;
  for (const Event& event : delivery.events()) {
    const bool ends = event.seq == event.transaction_end;
    if (ends) told = event.position();
    AddBlock(text, Name(event.kind),
             ends ? FormatCursor({event.position(), delivery.cursor().ns}) : std::string(),
             ToJson(event));
  }
  if (told != delivery.cursor().position) {
    text += fmt::format("id: {}\n\n", FormatCursor(delivery.cursor()));
  }
  return Shared(std::move(text));
}

// What many subscribers get is written out once.
EventText Text(const DeliveredPods& pods) { return pods->forms.Of(*pods, &WriteOutPods); }
EventText Text(const DeliveredEvents& events) { return events->As(&WriteOutEvents); }

// The comment is for whoever looks at the bytes, and for proxies; programs read the event.
EventText Text(const PositionNotice& notice) {
  std::string text = ": heartbeat\n";
  AddBlock(text, "position", FormatCursor(notice.cursor), ToJson(notice));
  return Shared(std::move(text));
}

EventText Text(const EndNotice& notice) {
  std::string text;
  switch (notice.reason) {
    case EndReason::kExpired:
      AddBlock(text, "expired", kExpiredId, ToJson(notice));
      break;
    case EndReason::kLagged:
      AddBlock(text, "lagged", IdOf(notice.cursor), ToJson(notice));
      break;
    case EndReason::kDraining:
      AddBlock(text, "draining", IdOf(notice.cursor), ToJson(notice));
      break;
  }
  return Shared(std::move(text));
}

}  // namespace

EventText ToEventText(const SubscriberMessage& message) {
  return std::visit([](const auto& told) { return Text(told); }, message);
}

std::string OpeningText(Duration retry) {
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(retry);
  return fmt::format("retry: {}\n\n", millis.count());
}

std::string FailureText(const Error& error) {
  std::string text;
  AddBlock(text, "failed", "", ToJson(error));
  return text;
}

}  // namespace vigil
