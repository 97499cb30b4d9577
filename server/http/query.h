// The parameters of a target, as HTML forms write them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace vigil {

// Cuts the text before the next `separator`, or all of it, off `rest`.
std::string_view Cut(std::string_view& rest, char separator);

// What percent-encoding and `+` for a space stand for; nothing when they are malformed.
std::optional<std::string> Decode(std::string_view text);

// The value of the one parameter `namespace`, checked; empty stands for `default`. Error
// INVALID_FIELD: it is malformed or given twice, or there are others.
Result<std::string> NamespaceFrom(std::string_view query);

}  // namespace vigil
