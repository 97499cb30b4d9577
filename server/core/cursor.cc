#include "core/cursor.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "core/errors.h"

namespace vigil {
namespace {

constexpr size_t kLongestCursor = 128;

std::optional<uint64_t> ParseNumber(std::string_view text, int base) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Cuts the text before the next dot off `rest`.
std::optional<std::string_view> NextPart(std::string_view& rest) {
  const size_t dot = rest.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const std::string_view part = rest.substr(0, dot);
  rest.remove_prefix(dot + 1);
  return part;
}

}  // namespace

std::string FormatCursor(const Cursor& cursor) {
  return fmt::format("v1.{:x}.{}.{}", cursor.position.mark.value, cursor.ns,
                     cursor.position.seq.value);
}

Result<Cursor> ParseCursor(std::string_view text, std::string_view ns) {
  if (text.size() > kLongestCursor) return Fail(InvalidCursor("is longer than 128 bytes"));
  std::string_view rest = text;
  const auto version = NextPart(rest);
  if (!version || *version != "v1") return Fail(InvalidCursor("does not begin with `v1.`"));
  const auto mark_text = NextPart(rest);
  const auto mark = mark_text ? ParseNumber(*mark_text, 16) : std::nullopt;
  if (!mark) return Fail(InvalidCursor("has no mark"));
  const auto cursor_ns = NextPart(rest);
  if (!cursor_ns || *cursor_ns != ns) {
    return Fail(InvalidCursor(fmt::format("is not of the namespace {}", ns)));
  }
  const auto seq = ParseNumber(rest, 10);
  if (!seq) return Fail(InvalidCursor("does not end with a position"));
  if ((*mark == 0) != (*seq == 0)) {
    return Fail(InvalidCursor("has the mark of no event at its position"));
  }
  const Cursor cursor{{{*seq}, {*mark}}, std::string(ns)};
  // One position has one text, so that texts can be compared.
  if (FormatCursor(cursor) != text) return Fail(InvalidCursor("is not in its canonical form"));
  return cursor;
}

}  // namespace vigil
