#include "credentials.h"

#include "own_error.h"

namespace vigil::client {
namespace {

tl::unexpected<Error> Invalid(const std::string& message, std::string_view hint) {
  return tl::unexpected(MakeError(Code::kInvalidArgument, message, hint));
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
    if (tls.cert_file.empty() != tls.key_file.empty()) {
      return Invalid("a certificate needs its key, and a key its certificate",
                     "Name both files, or neither.");
    }
    if (auto checked = TlsFiles::Check(tls); !checked) return checked;
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
    : insecure_(options.tls ? nullptr : grpc::InsecureChannelCredentials()),
      tls_(options.tls ? std::make_unique<TlsFiles>(*options.tls) : nullptr),
      server_name_(options.tls ? options.tls->server_name : ""),
      token_(options.token_file.empty() ? nullptr
                                        : std::make_unique<TokenFile>(options.token_file)) {}

std::shared_ptr<grpc::ChannelCredentials> Credentials::channel() const {
  return tls_ ? tls_->Channel() : insecure_;
}

void Credentials::AddTo(grpc::ClientContext& context) const {
  if (token_) context.AddMetadata("authorization", "Bearer " + token_->Token());
}

}  // namespace vigil::client
