// The files of TLS, and what of them is in force.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/memory_file.h"
#include "rpc/tls.h"

namespace vigil {

// Gives the gRPC library copies of the files, in memory, and other ones whenever the files have
// changed, are fit and have stayed so for a look: one that is cut off between two certificates is
// fit, too. The files themselves it would read while they are written: those that do not
// fit together would let no connection begin, and an empty one would end the process.
//
// One thread at a time. Outlives the server with its credentials.
class TlsWatch {
 public:
  // `tell` hears why no new connection can begin, since the certificate in force is not valid, or
  // that one can, whenever that changes.
  using Tell = std::function<void(std::optional<Error>)>;
  TlsWatch(TlsFiles files, Tell tell) : files_(std::move(files)), tell_(std::move(tell)) {}

  // Once, first. Error FAILED_PRECONDITION: as ReadTls, or there is no room for the copies.
  Result<std::shared_ptr<grpc::ServerCredentials>> Credentials();

  // Once a second. Files that are not as they should be change nothing, and are complained of in
  // the log, once for each thing that is wrong. What is wrong only once, since files are replaced
  // one after the other, is passed over.
  void Look();

 private:
  Result<void> TakeOver(const TlsTexts& texts);
  void Complain(const Result<void>& taken);
  void LookAtValidity();

  const TlsFiles files_;
  const Tell tell_;
  TlsTexts read_;  // the last time that they were fit
  TlsTexts in_force_;
  MemoryFile identity_;
  MemoryFile client_authorities_;
  std::string seen_;        // what was wrong the last time
  std::string complained_;  // and what was said
  bool stopped_ = false;
};

}  // namespace vigil
