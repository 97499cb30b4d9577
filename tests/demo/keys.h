// Who is who in the demonstration over TLS: certificates, and what each may do.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "support/certificates.h"
#include "support/vigil_cluster.h"

namespace vigil {

// An authority of its own, a certificate for the coordinators, one for each pod, and one for the
// audience, which may only look. Owns the files.
class Keys {
 public:
  static Result<Keys> Make(const std::vector<std::string>& pods);

  // What the coordinators are started with, and whom the cluster's own client is.
  VigilCluster::Security security() const;

  // What the pod of this name finds in its environment.
  std::map<std::string, std::string> EnvironmentOf(const std::string& pod) const;

 private:
  explicit Keys(CertificateAuthority authority) : authority_(std::move(authority)) {}

  CertificateAuthority authority_;
  std::map<std::string, CertificateAuthority::Issued> issued_;
};

}  // namespace vigil
