// The files of TLS, and what of them is in force.
#pragma once

#include <grpcpp/security/credentials.h>

#include <memory>
#include <string>

#include "mutex.h"
#include "vigil/boot_clock.h"
#include "vigil/client.h"

namespace vigil::client {

// Reads the files itself, so that the gRPC library gets only what is fit: an emptied key that it
// read by itself would end the process, and one that is not the certificate's would let no
// connection begin.
//
// Thread safety: everything may be called from any thread.
class TlsFiles {
 public:
  // Error INVALID_ARGUMENT: a file cannot be read or does not hold what it should, or the key is
  // not the certificate's.
  static Result<void> Check(const Tls& files);

  // REQUIRES: Check.
  explicit TlsFiles(Tls files);

  // For channels that begin now; the same until the files hold something else that is fit, and
  // null, with which no channel connects, until they were fit once. Looks at them once a second at
  // most, in the caller's thread.
  std::shared_ptr<grpc::ChannelCredentials> Channel();

 private:
  struct Texts {
    std::string authorities;
    std::string certificate;
    std::string key;

    bool operator==(const Texts&) const = default;
  };
  static Result<Texts> Read(const Tls& files);

  const Tls files_;
  Mutex mutex_;
  Time next_look_ VIGIL_GUARDED_BY(mutex_){};
  Texts read_ VIGIL_GUARDED_BY(mutex_);  // the last time that they were fit
  Texts in_force_ VIGIL_GUARDED_BY(mutex_);
  std::shared_ptr<grpc::ChannelCredentials> channel_ VIGIL_GUARDED_BY(mutex_);
};

}  // namespace vigil::client
