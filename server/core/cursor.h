// Cursors: positions in a log, as the strings that subscribers hold.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "core/types.h"

namespace vigil {

// The exclusive position after an event of one namespace. Its text is `v1.MARK.NAMESPACE.SEQ`, at
// most 128 bytes; clients keep it as it is.
struct Cursor {
  Position position;
  std::string ns;
  bool operator==(const Cursor&) const = default;
};

std::string FormatCursor(const Cursor& cursor);

// Error INVALID_CURSOR: malformed, or of another namespace than `ns`.
Result<Cursor> ParseCursor(std::string_view text, std::string_view ns);

}  // namespace vigil
