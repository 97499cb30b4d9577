// What a session token says of whom its pod belongs to.
#pragma once

#include <string>
#include <string_view>

namespace vigil {

// A secret that belongs to one identity, whose binding is what it is known by; anybody's when the
// binding is empty. So tokens, registration ids and supersede keys carry whom they belong to
// through the database, and whoever has them without being that one has nothing.
inline std::string Bound(std::string secret, std::string_view binding) {
  if (binding.empty()) return secret;
  return std::move(secret) + "." + std::string(binding);
}

// Empty when it is anybody's. Only a token that the database knows can be relied on.
inline std::string_view BindingOf(std::string_view secret) {
  const size_t dot = secret.find('.');
  return dot == std::string_view::npos ? std::string_view() : secret.substr(dot + 1);
}

}  // namespace vigil
