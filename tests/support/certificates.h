// Authorities and certificates that tests and demonstrations make for themselves, with openssl.
#pragma once

#include <string>

#include "base/error.h"

namespace vigil {

// A certificate authority in a directory of its own, which goes with it.
//
// Thread-safe: no.
class CertificateAuthority {
 public:
  struct Issued {
    // Names of files in PEM.
    std::string certificate;
    std::string key;
  };

  static Result<CertificateAuthority> Make(const std::string& name);

  ~CertificateAuthority();
  CertificateAuthority(CertificateAuthority&& other) noexcept;
  CertificateAuthority& operator=(CertificateAuthority&&) = delete;

  const std::string& directory() const { return directory_; }
  std::string certificate() const { return directory_ + "/ca.pem"; }

  // A certificate with this common name and, unless they are empty, these alternative names as
  // openssl writes them ("DNS:localhost,IP:127.0.0.1"), good for so many days; one that has expired
  // when there are less than none. The files bear the common name; the same again replaces them,
  // each at once.
  Result<Issued> Issue(const std::string& common_name, const std::string& alternatives,
                       int days = 2) const;

  // One whose end is so many seconds from now.
  Result<Issued> IssueFor(const std::string& common_name, int seconds) const;

 private:
  explicit CertificateAuthority(std::string directory) : directory_(std::move(directory)) {}

  std::string directory_;
};

}  // namespace vigil
