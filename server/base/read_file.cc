#include "base/read_file.h"

#include <fstream>

namespace vigil {

std::optional<std::string> ReadFile(const std::string& name, size_t most) {
  std::ifstream file(name, std::ios::binary);
  std::string text(most + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) return std::nullopt;
  text.resize(static_cast<size_t>(file.gcount()));
  return text;
}

}  // namespace vigil
