// TLS on the gRPC port.
#pragma once

#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <string>

#include "base/error.h"

namespace vigil {

// Names of files in PEM.
struct TlsFiles {
  std::string certificate;
  std::string key;
  // When there are any, a certificate that is shown must be one of theirs.
  std::string client_authorities;
  // And one must be shown.
  bool client_required = true;
};

// The files are looked at once a second, and what has changed holds for connections from then on.
// Error FAILED_PRECONDITION: one cannot be read, is not PEM, or the key is not the certificate's.
Result<std::shared_ptr<grpc::ServerCredentials>> TlsCredentials(const TlsFiles& files);

}  // namespace vigil
