#include "credentials.h"

#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <fstream>

#include "own_error.h"

namespace vigil::client {
namespace {

constexpr unsigned int kReadAgainSeconds = 1;

tl::unexpected<Error> Invalid(const std::string& message, std::string_view hint) {
  return tl::unexpected(MakeError(Code::kInvalidArgument, message, hint));
}

Result<void> CheckFile(const std::string& name) {
  if (name.empty() || std::ifstream(name).good()) return {};
  return Invalid(name + " cannot be read", "Correct the name of the file, or its permissions.");
}

std::shared_ptr<grpc::ChannelCredentials> ChannelCredentials(const Client::Options& options) {
  if (!options.tls) return grpc::InsecureChannelCredentials();
  const Tls& tls = *options.tls;
  grpc::experimental::TlsChannelCredentialsOptions channel;
  if (!tls.ca_file.empty() || !tls.cert_file.empty()) {
    channel.set_certificate_provider(
        std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
            tls.key_file, tls.cert_file, tls.ca_file, kReadAgainSeconds));
  }
  if (!tls.ca_file.empty()) channel.watch_root_certs();
  if (!tls.cert_file.empty()) channel.watch_identity_key_cert_pairs();
  return grpc::experimental::TlsCredentials(channel);
}

}  // namespace

bool IsLoopback(std::string_view address) {
  if (address.starts_with("unix:")) return true;
  if (address.starts_with("[::1]:")) return true;
  const std::string_view host = address.substr(0, address.rfind(':'));
  if (host == "localhost") return true;
  // A name may begin with digits, too: all of it must be an address.
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == host.npos;
}

Result<void> Credentials::Check(const Client::Options& options) {
  if (options.tls) {
    const Tls& tls = *options.tls;
    for (const std::string& file : {tls.ca_file, tls.cert_file, tls.key_file}) {
      if (auto checked = CheckFile(file); !checked) return checked;
    }
    if (tls.cert_file.empty() != tls.key_file.empty()) {
      return Invalid("a certificate needs its key, and a key its certificate",
                     "Name both files, or neither.");
    }
  }
  if (options.token_file.empty()) return {};
  for (const std::string& address : options.addresses) {
    if (!options.tls && !IsLoopback(address)) {
      return Invalid("a token would go to " + address + " in plain text",
                     "Use TLS, or an address of this machine.");
    }
  }
  return TokenFile::Check(options.token_file);
}

Credentials::Credentials(const Client::Options& options)
    : channel_(ChannelCredentials(options)),
      server_name_(options.tls ? options.tls->server_name : ""),
      token_(options.token_file.empty() ? nullptr
                                        : std::make_unique<TokenFile>(options.token_file)) {}

void Credentials::AddTo(grpc::ClientContext& context) const {
  if (token_) context.AddMetadata("authorization", "Bearer " + token_->Token());
}

}  // namespace vigil::client
