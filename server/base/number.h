// Strong types for numbers that must not be mixed up.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace vigil {

// A number whose meaning is its tag. 0 means "none".
template <typename Tag>
struct Number {
  uint64_t value = 0;

  explicit operator bool() const { return value != 0; }
  auto operator<=>(const Number&) const = default;
};

}  // namespace vigil

template <typename Tag>
struct std::hash<vigil::Number<Tag>> {
  size_t operator()(vigil::Number<Tag> number) const noexcept {
    return std::hash<uint64_t>{}(number.value);
  }
};
