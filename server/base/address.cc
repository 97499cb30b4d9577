#include "base/address.h"

#include <sys/socket.h>

namespace vigil {

HostPort SplitAddress(const std::string& address) {
  const size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  return {std::move(host), colon == std::string::npos ? "" : address.substr(colon + 1)};
}

tl::expected<Addresses, std::string> ResolveToListen(const std::string& address) {
  const auto [host, port] = SplitAddress(address);
  addrinfo wanted{};
  wanted.ai_flags = AI_PASSIVE;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), port.c_str(), &wanted, &found); error != 0) {
    return tl::unexpected(gai_strerror(error));
  }
  return Addresses(found);
}

}  // namespace vigil
