// How many entries a page of an answer has.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "core/errors.h"

namespace vigil {

inline constexpr uint32_t kDefaultPage = 100;
inline constexpr uint32_t kLargestPage = 1000;

// The default when 0 is asked for. Error INVALID_FIELD.   (P11)
inline Result<uint32_t> PageSize(uint32_t asked) {
  if (asked > kLargestPage) return Fail(InvalidField("page_size", "must be at most 1000"));
  return asked == 0 ? kDefaultPage : asked;
}

}  // namespace vigil
