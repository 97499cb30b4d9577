// The reader of what a GET of the event log asks for. An input is a query, a line feed, and a
// Last-Event-ID.
#include "http/events_target.h"

#include <fmt/format.h>

#include "core/errors.h"
#include "fuzz/bounds.h"
#include "fuzz/property.h"

namespace vigil {
namespace {

// Every byte encoded.
std::string Encode(std::string_view text) {
  std::string encoded;
  for (const unsigned char byte : text) encoded += fmt::format("%{:02X}", byte);
  return encoded;
}

std::string Write(const SubscriptionRequest& request) {
  std::string target = fmt::format("{}?namespace={}", kEventsPath, Encode(request.ns));
  if (const auto* cursor = std::get_if<Cursor>(&request.start)) {
    target += "&after=" + Encode(FormatCursor(*cursor));
  } else {
    target += std::holds_alternative<FromNow>(request.start) ? "&from=now" : "&from=oldest";
  }
  for (const EventKind kind : request.filter.kinds) target += fmt::format("&kind={}", Name(kind));
  for (const auto& [key, value] : request.filter.pod_labels) {
    target += fmt::format("&label={}%3D{}", Encode(key), Encode(value));
  }
  return target;
}

bool Same(const SubscriptionRequest& a, const SubscriptionRequest& b) {
  const auto* a_cursor = std::get_if<Cursor>(&a.start);
  const auto* b_cursor = std::get_if<Cursor>(&b.start);
  return a.ns == b.ns && a.filter == b.filter && a.start.index() == b.start.index() &&
         (a_cursor == nullptr || *a_cursor == *b_cursor);
}

void Try(std::string_view query, std::string_view last_event_id) {
  const ExactText target(fmt::format("{}?{}", kEventsPath, query));
  const ExactText id(last_event_id);
  const auto request = ParseEventsTarget(target.view(), id.view());
  if (!request) return RequireRefusal(request.error());
  RequireWithinBounds(*request);
  const auto again = ParseEventsTarget(Write(*request));
  Require(again && Same(*again, *request), "what was read can be written, and is read the same");
  const auto* cursor = std::get_if<Cursor>(&request->start);
  if (!last_event_id.empty()) {
    Require(cursor != nullptr && FormatCursor(*cursor) == last_event_id,
            "an accepted Last-Event-ID is where it goes on");
  }
}

}  // namespace
}  // namespace vigil

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = input.find('\n');
  vigil::Try(input.substr(0, end),
             end == std::string_view::npos ? std::string_view() : input.substr(end + 1));
  return 0;
}
