// Small files, read whole.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace vigil {

// What the file holds; of one that is longer than `most` bytes, one byte more than that. Nothing,
// with errno, when it cannot be read.
std::optional<std::string> ReadFile(const std::string& name, size_t most);

}  // namespace vigil
