// Enumerations from the names that tables and printed events give their values.
#pragma once

#include <optional>
#include <string_view>

#include "core/errors.h"

namespace vigil::history {

// The value that has this name. Values are numbered from 0 without a gap.
template <typename Enum>
std::optional<Enum> Named(std::string_view name) {
  constexpr int kMostValues = 32;
  for (int value = 0; value < kMostValues; ++value) {
    if (Name(static_cast<Enum>(value)) == name) return static_cast<Enum>(value);
  }
  return std::nullopt;
}

}  // namespace vigil::history
