#include "fuzz/bounds.h"

#include <algorithm>

#include "fuzz/property.h"
#include "vigil/types.h"

namespace vigil {

void RequireNamespace(std::string_view ns) {
  Require(!ns.empty() && ns.size() <= 63, "a namespace has 1 to 63 bytes");
  Require(ns.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos,
          "a namespace is made of a-z, 0-9 and '-'");
}

void RequireText(std::string_view text, size_t longest) {
  Require(!text.empty() && text.size() <= longest, "a text has its length");
  Require(std::ranges::none_of(text, [](unsigned char c) { return c < ' ' || c == 0x7f; }),
          "a text has no control character");
}

void RequireSecret(std::string_view text) {
  Require(text.size() >= 16 && text.size() <= 64, "a secret has 16 to 64 bytes");
  Require(
      text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") ==
          std::string_view::npos,
      "a secret is made of letters, digits and '-'");
}

void RequireLabels(const std::map<std::string, std::string>& labels) {
  Require(labels.size() <= 32, "there are at most 32 labels");
  for (const auto& [key, value] : labels) {
    RequireText(key, 63);
    if (!value.empty()) RequireText(value, 255);
  }
}

void RequireNumber(uint64_t number) {
  Require(number >= 1 && number <= uint64_t{INT64_MAX}, "a number is from 1 to 2^63 - 1");
}

void RequireWithinBounds(const SubscriptionRequest& request) {
  RequireNamespace(request.ns);
  RequireLabels(request.filter.pod_labels);
  for (const EventKind kind : request.filter.kinds) {
    Require(std::ranges::find(kAllEventKinds, kind) != std::end(kAllEventKinds),
            "a kind that was accepted is one");
  }
  const auto* cursor = std::get_if<Cursor>(&request.start);
  if (cursor == nullptr) return;
  Require(cursor->ns == request.ns, "a cursor is of the namespace that is followed");
  const std::string text = FormatCursor(*cursor);
  Require(client::Cursor(text).well_formed(), "the client library takes every cursor");
  const auto again = ParseCursor(text, request.ns);
  Require(again && *again == *cursor, "a cursor's text means that cursor");
}

}  // namespace vigil
