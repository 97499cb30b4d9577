// SHA-256, by which secrets are kept and compared.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace vigil {

using Digest = std::array<uint8_t, 32>;

Digest DigestOf(std::string_view text);

// In a time that does not tell where they differ.
bool Equal(const Digest& one, const Digest& other);

// The first half in hexadecimal digits.
std::string ShortText(const Digest& digest);

}  // namespace vigil
