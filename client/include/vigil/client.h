// The way to a cluster of coordinators.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vigil/boot_clock.h"
#include "vigil/error.h"
#include "vigil/pod.h"

namespace vigil::client {

class Core;

// How connections are encrypted, and to whom. Names of files in PEM, which are read again when they
// change: what is fit and stays for a second is for connections from then on.
struct Tls {
  // The authorities that coordinators' certificates must come from; those of the machine when
  // empty.
  std::string ca_file;
  // This client's own certificate and its key: both, or neither.
  std::string cert_file;
  std::string key_file;
  // What the coordinators' certificates must name; the address that is called when empty.
  std::string server_name;
};

// A client of several coordinators, any of which can answer any call.
//
// Example:
//
//     auto client = Client::Create({.addresses = {"vigil-0:7420", "vigil-1:7420"}});
//     if (!client) return Fail(client.error());
//     auto pod = client->GetPod("default", "web-1");
//
// Owns the channels and one thread. It is a handle: copies are cheap and share everything, and a
// PodSession or a Subscription made from it keeps alive what it needs. Nothing is connected before
// the first call.
//
// Thread safety: everything may be called from any thread.
//
// Error handling: a call goes on to the next address when a coordinator is unavailable or silent
// for `attempt_timeout`, until `call_timeout` or two rounds over the addresses are over. The error
// of the last attempt is returned. Refusals are returned at once.
//
// It does not promise that two calls go to the same coordinator.
class Client {
 public:
  struct Options {
    // "host:port", at least one.
    std::vector<std::string> addresses;
    // For one call with all its attempts.
    Duration call_timeout = std::chrono::seconds(10);
    // For one attempt.
    Duration attempt_timeout = std::chrono::seconds(3);
    // Try the addresses in an order chosen at random, so that pods and subscribers spread over the
    // coordinators, and those of a lost one over the others; else as they are given.
    bool spread = true;
    // Without it, nothing is encrypted.
    std::optional<Tls> tls;
    // The name of a file that holds this client's token, which every call shows; read again, within
    // a second, when it changes. Goes over TLS, or to addresses of this machine, and nowhere else:
    // a proxy that the environment names is not used.
    std::string token_file;
  };

  // Fails with INVALID_ARGUMENT when the options make no sense.
  static Result<Client> Create(Options options);

  // The living incarnation of the name or, when there is none, the last that ended and is still
  // retained.
  Result<Pod> GetPod(std::string_view ns, std::string_view name) const;

  // The pods of a namespace by incarnation, a page at a time.
  Result<PodPage> ListPods(const PodQuery& query) const;

  // In the order in which they are tried.
  const std::vector<std::string>& addresses() const;

 private:
  friend class PodSession;
  friend class Subscription;
  friend class Work;

  explicit Client(std::shared_ptr<Core> core);

  std::shared_ptr<Core> core_;
};

}  // namespace vigil::client
