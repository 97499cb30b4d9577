// Addresses to listen on and to connect to, as settings write them.
#pragma once

#include <netdb.h>

#include <memory>
#include <string>

#include <tl/expected.hpp>

namespace vigil {

// "0.0.0.0:7420", "[::]:7420": the host has no brackets any more, and the port may be a name.
struct HostPort {
  std::string host;
  std::string port;
};

HostPort SplitAddress(const std::string& address);

struct FreeAddresses {
  void operator()(addrinfo* addresses) const { freeaddrinfo(addresses); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

// Those of TCP that it stands for, to listen on; at least one. Error: what is wrong with it. Blocks
// while a name is looked up.
tl::expected<Addresses, std::string> ResolveToListen(const std::string& address);

}  // namespace vigil
