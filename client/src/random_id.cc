#include "random_id.h"

#include <random>

namespace vigil::client {

std::string RandomId() {
  std::random_device entropy;
  std::string id;
  for (int word = 0; word < 4; ++word) {
    std::uint32_t bits = entropy();
    for (int digit = 0; digit < 8; ++digit, bits >>= 4) id += "0123456789abcdef"[bits % 16];
  }
  return id;
}

}  // namespace vigil::client
