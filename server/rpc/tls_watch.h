// Whether the files of TLS, which the gRPC library reads for itself, let connections begin.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "base/error.h"
#include "rpc/tls.h"

namespace vigil {

// Looks at the files beside the credentials, which say little of what they find: a file that cannot
// be read or is empty leaves what was in force, and others that do not fit together stop every new
// connection until they do.
//
// One thread.
class TlsWatch {
 public:
  // `tell` hears why no new connection can begin, or that one can, whenever that changes. What is
  // wrong only once, since files are replaced one after the other, is passed over.
  using Tell = std::function<void(std::optional<Error>)>;
  TlsWatch(TlsFiles files, Tell tell) : files_(std::move(files)), tell_(std::move(tell)) {}

  // Once a second. Complains in the log, once for each thing that is wrong.
  void Look();

 private:
  const TlsFiles files_;
  const Tell tell_;
  std::string seen_;        // what was wrong the last time
  std::string complained_;  // and what was said
  bool stopped_ = false;
};

}  // namespace vigil
