// TLS on the gRPC port.
#pragma once

#include <grpcpp/security/server_credentials.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

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

// A certificate in one of the files.
struct CertificateFacts {
  std::string file;
  // Its subject: "CN = vigil".
  std::string subject;
  // Until it begins and ceases to be valid; negative when that has been.
  std::chrono::seconds begins_in{};
  std::chrono::seconds ends_in{};
  // Callers find it good for a DNS name, an address or a URI.
  bool named = false;
};

// Every certificate of the files, that which is served first. The same errors.
Result<std::vector<CertificateFacts>> InspectCertificates(const TlsFiles& files);

}  // namespace vigil
