// The parameters of a target, as HTML forms write them.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace vigil {

// Cuts the text before the next `separator`, or all of it, off `rest`.
std::string_view Cut(std::string_view& rest, char separator);

// Calls `take` for each parameter of a query; the first error is the last. Error INVALID_FIELD: one
// is malformed.
Result<void> ReadParameters(
    std::string_view query,
    const std::function<Result<void>(const std::string& name, std::string value)>& take);

// The query of a target, as it came: what stands behind its first `?`.
std::string_view QueryOf(std::string_view target);

// The value of the one parameter `namespace`, checked; empty stands for `default`. Error
// INVALID_FIELD: it is malformed or given twice, or there are others.
Result<std::string> NamespaceFrom(std::string_view query);

}  // namespace vigil
