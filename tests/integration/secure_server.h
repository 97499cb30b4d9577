// A real `vigild serve` with TLS, rights, and certificates that openssl made.
#pragma once

#include <grpc/grpc_security.h>
#include <grpcpp/channel.h>

#include <memory>
#include <string>
#include <vector>

#include "support/certificates.h"
#include "support/process.h"
#include "support/store_test_database.h"

namespace vigil {

// Makes an authority, or fails the test.
CertificateAuthority MakeAuthority(const std::string& name);

class SecureServer {
 public:
  using Issued = CertificateAuthority::Issued;

  // Of the server's authority, or of another one.
  Issued Issue(const std::string& name, const std::string& alternatives = "", int days = 2);
  static Issued IssueBy(const CertificateAuthority& authority, const std::string& name,
                        const std::string& alternatives = "", int days = 2);

  // A file beside the certificates, which is replaced at once if it is there.
  std::string Write(const std::string& name, const std::string& text) const;

  // Starts with the server's own certificate, which names `alternatives`, and more settings. Fails
  // the test when it does not come to serve.
  void Serve(const std::vector<std::string>& settings,
             const std::string& alternatives = "IP:127.0.0.1,DNS:localhost");

  // The same with a database that nobody can reach: it listens and never joins.
  void ServeAlone(const std::vector<std::string>& settings);

  const CertificateAuthority& authority() const { return authority_; }
  const Issued& own() const { return own_; }
  Process& process() { return *process_; }
  std::string conninfo() const { return database_.conninfo(); }
  std::string address() const { return "127.0.0.1:" + port_; }
  int http_port() const { return http_port_; }

  // A channel of its own, with a certificate or without; it begins with a TLS session that is kept
  // in `sessions`, if there are any.
  std::shared_ptr<grpc::Channel> Channel(const Issued* shown = nullptr,
                                         grpc_ssl_session_cache* sessions = nullptr) const;

 private:
  void Start(const std::vector<std::string>& settings, const std::string& alternatives,
             const std::string& conninfo);

  TestDatabase database_;
  CertificateAuthority authority_ = MakeAuthority("one");
  Issued own_;
  std::unique_ptr<Process> process_;
  std::string port_;
  int http_port_ = 0;
};

}  // namespace vigil
