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

// What the files hold, in PEM, written anew: nothing but what was found fit.
struct TlsTexts {
  // The key, and behind it the certificate with its chain.
  std::string identity;
  std::string client_authorities;

  bool operator==(const TlsTexts&) const = default;
};

// Error FAILED_PRECONDITION: a file cannot be read, holds more than 1 MiB or something else than it
// should, all of it or in part, or the key is not the certificate's.
Result<TlsTexts> ReadTls(const TlsFiles& files);

// From files with these texts, which are read again once a second; what has changed holds for
// connections from then on. While they cannot be read, what was in force stays, but an empty one of
// the identity ends the process.
std::shared_ptr<grpc::ServerCredentials> TlsCredentials(const std::string& identity,
                                                        const std::string& client_authorities,
                                                        bool client_required);

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

// Every certificate of the text, that which is served first. `file` is for people.
std::vector<CertificateFacts> InspectCertificates(const std::string& file, const std::string& text);

}  // namespace vigil
