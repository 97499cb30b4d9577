// The form that the files of tokens and of grants share: a line of words for each entry, blank
// lines, and comments from # on where a word would begin.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace vigil {

inline constexpr size_t kLargestFile = size_t{1} << 20;
inline constexpr size_t kMostLines = 10'000;
inline constexpr size_t kLongestIdentity = 512;

// Calls `take` for each line that has words; it returns what is wrong with them, or nothing. The
// error names the line and never quotes it: it may hold a secret.   (P11)
Result<void> ReadLines(
    std::string_view text,
    const std::function<std::string_view(const std::vector<std::string_view>&)>& take);

// 1 to 512 printable characters of ASCII without a space, and not `*`, which would look like
// everybody.
bool IsIdentity(std::string_view word);

}  // namespace vigil
