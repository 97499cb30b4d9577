// The reader of cursors. An input is a namespace, a line feed, and a cursor's text.
#include "core/cursor.h"

#include "core/validate.h"
#include "fuzz/bounds.h"
#include "fuzz/property.h"

namespace vigil {
namespace {

void Try(std::string_view ns, std::string_view text) {
  const auto cursor = ParseCursor(ExactText(text).view(), ExactText(ns).view());
  if (!cursor) {
    RequireRefusal(cursor.error());
    Require(cursor.error().reason == "INVALID_CURSOR", "a malformed cursor is an INVALID_CURSOR");
    return;
  }
  Require(text.size() <= 128, "a cursor has at most 128 bytes");
  Require(cursor->ns == ns, "a cursor is of the namespace that is asked for");
  Require(FormatCursor(*cursor) == text, "one position has one text");
  Require(!ParseCursor(text, std::string(ns) + "x"), "a cursor is of no other namespace");
  if (CheckNamespace(ns)) RequireWithinBounds({std::string(ns), *cursor, {}});
}

}  // namespace
}  // namespace vigil

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = input.find('\n');
  if (end == std::string_view::npos) {
    vigil::Try("default", input);
  } else {
    vigil::Try(input.substr(0, end), input.substr(end + 1));
  }
  return 0;
}
