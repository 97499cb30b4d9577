// Machines of their own on one machine, and networks between them that fail.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"

namespace vigil {

// Moves this process into a network of its own, with nothing in it but the loopback device, which
// also has kHubAddress. So nothing outside is touched, no port or name can collide, and the kernel
// takes all of it down with the process. Once, at the start of main: before there is a thread.
//
// Fails without the right to (CAP_NET_ADMIN and CAP_SYS_ADMIN: root has both); the process then
// stays where it is.
Result<void> EnterOwnNetwork();

// Where whatever runs in the test's own network can be reached from every namespace.
inline constexpr const char* kHubAddress = "10.77.0.1";
// All addresses that namespaces have.
inline constexpr const char* kNamespaceAddresses = "10.77.0.0/16";

// What becomes of the packets between a namespace and one TCP port outside of it.
struct Fault {
  enum class Kind {
    kDrop,      // They are gone; nobody is told.
    kLoseHalf,  // Every one has an even chance.
    kReject,    // Their sender gets a reset.
  };
  enum class Way { kBoth, kOutwards, kInwards };

  int port = 0;
  Kind kind = Kind::kDrop;
  Way way = Way::kBoth;
};

// A network namespace, joined to the test's own network by a veth pair.
//
// Owns the namespace, which exists while the object or a process in it does; the kernel removes it
// and the pair after both, also when the test was killed. Thread-safe: no, one thread at a time.
class NetworkNamespace {
 public:
  // REQUIRES: EnterOwnNetwork succeeded. At most 250 in the life of a process.
  static Result<std::unique_ptr<NetworkNamespace>> Make();

  ~NetworkNamespace();
  NetworkNamespace(const NetworkNamespace&) = delete;
  NetworkNamespace& operator=(const NetworkNamespace&) = delete;

  // Where whatever runs in it can be reached from the test's own network.
  const std::string& address() const { return address_; }

  // What a command must begin with to run in it. The process stays the same one, so that signals
  // reach it.
  std::vector<std::string> Enter() const;

  // Replaces the faults that were there; when it returns they hold for every packet.
  Result<void> Inflict(const std::vector<Fault>& faults);

 private:
  NetworkNamespace(int handle, int number);

  Result<void> Join();

  const int handle_;
  const std::string device_;
  const std::string gateway_;
  const std::string address_;
};

}  // namespace vigil
