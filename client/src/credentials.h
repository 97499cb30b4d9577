// Who a client is to the coordinators: what its connections and its calls carry.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/security/credentials.h>

#include <memory>
#include <string>
#include <string_view>

#include "tls_files.h"
#include "token_file.h"
#include "vigil/client.h"

namespace vigil::client {

// Whether an address of the options names this machine, where nobody listens on the way.
bool IsLoopback(std::string_view address);

// Thread safety: everything may be called from any thread.
class Credentials {
 public:
  // Error INVALID_ARGUMENT: a file cannot be used, a certificate is without its key, or a token
  // would go over a network in plain text.
  static Result<void> Check(const Client::Options& options);

  // REQUIRES: Check.
  explicit Credentials(const Client::Options& options);

  // For channels that begin now; others than before once the files of TLS have changed.
  std::shared_ptr<grpc::ChannelCredentials> channel() const;
  // What the certificates of coordinators must name; their address when empty.
  const std::string& server_name() const { return server_name_; }
  // The token, when there is one. Once a call, before it begins.
  void AddTo(grpc::ClientContext& context) const;

 private:
  // Without TLS.
  const std::shared_ptr<grpc::ChannelCredentials> insecure_;
  const std::unique_ptr<TlsFiles> tls_;
  const std::string server_name_;
  const std::unique_ptr<TokenFile> token_;
};

}  // namespace vigil::client
