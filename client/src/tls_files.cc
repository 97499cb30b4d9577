#include "tls_files.h"

#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <fstream>
#include <string_view>
#include <utility>
#include <vector>

#include "own_error.h"

namespace vigil::client {
namespace {

constexpr Duration kLookAgain = std::chrono::seconds(1);
// Authorities of all the world are a quarter of it.
constexpr std::size_t kLongest = 1 << 20;

using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Reader = std::unique_ptr<BIO, decltype(&BIO_free)>;

tl::unexpected<Error> Unusable(const std::string& file, std::string_view why) {
  ERR_clear_error();
  return tl::unexpected(MakeError(Code::kInvalidArgument, file + " " + std::string(why),
                                  "Correct the name of the file, its permissions, or what it holds "
                                  "in PEM."));
}

Result<std::string> ReadWhole(const std::string& name) {
  std::ifstream file(name);
  std::string text(kLongest + 1, '\0');
  if (!file.read(text.data(), static_cast<std::streamsize>(text.size())) && !file.eof()) {
    return Unusable(name, "cannot be read");
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kLongest) return Unusable(name, "holds more than 1 MiB");
  return text;
}

Reader ReaderOf(const std::string& text) {
  return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free};
}

// A key that is locked with a passphrase is refused rather than asked for at a terminal.
int NoPassphrase(char*, int, int, void*) { return 0; }

// The first certificate of a text that holds nothing but whole ones; null if it does not.
Certificate FirstOf(const std::string& text) {
  const Reader reader = ReaderOf(text);
  const auto next = [&reader] {
    return Certificate(PEM_read_bio_X509(reader.get(), nullptr, NoPassphrase, nullptr), X509_free);
  };
  Certificate first = next();
  while (next()) continue;
  const bool whole = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!whole) first.reset();
  return first;
}

std::shared_ptr<grpc::ChannelCredentials> CredentialsOf(const std::string& authorities,
                                                        const std::string& certificate,
                                                        const std::string& key) {
  using grpc::experimental::IdentityKeyCertPair;
  using grpc::experimental::StaticDataCertificateProvider;
  std::vector<IdentityKeyCertPair> identity;
  if (!certificate.empty()) identity.push_back({key, certificate});
  grpc::experimental::TlsChannelCredentialsOptions options;
  if (!authorities.empty() || !identity.empty()) {
    options.set_certificate_provider(
        std::make_shared<StaticDataCertificateProvider>(authorities, identity));
  }
  if (!authorities.empty()) options.watch_root_certs();
  if (!identity.empty()) options.watch_identity_key_cert_pairs();
  return grpc::experimental::TlsCredentials(options);
}

}  // namespace

Result<void> TlsFiles::Check(const Tls& files) {
  return Read(files).map([](const Texts&) {});
}

Result<TlsFiles::Texts> TlsFiles::Read(const Tls& files) {
  Texts texts;
  if (!files.ca_file.empty()) {
    auto authorities = ReadWhole(files.ca_file);
    if (!authorities) return tl::unexpected(authorities.error());
    if (!FirstOf(*authorities)) return Unusable(files.ca_file, "holds no whole certificate");
    texts.authorities = std::move(*authorities);
  }
  if (files.cert_file.empty()) return texts;

  auto certificate = ReadWhole(files.cert_file);
  if (!certificate) return tl::unexpected(certificate.error());
  auto key = ReadWhole(files.key_file);
  if (!key) return tl::unexpected(key.error());
  const Certificate own = FirstOf(*certificate);
  if (!own) return Unusable(files.cert_file, "holds no whole certificate");
  const Key its(PEM_read_bio_PrivateKey(ReaderOf(*key).get(), nullptr, NoPassphrase, nullptr),
                EVP_PKEY_free);
  if (!its) return Unusable(files.key_file, "holds no private key without a passphrase");
  if (X509_check_private_key(own.get(), its.get()) != 1) {
    return Unusable(files.key_file, "is not the key of " + files.cert_file);
  }
  texts.certificate = std::move(*certificate);
  texts.key = std::move(*key);
  return texts;
}

TlsFiles::TlsFiles(Tls files) : files_(std::move(files)) {}

std::shared_ptr<grpc::ChannelCredentials> TlsFiles::Channel() {
  MutexLock lock(mutex_);
  const Time now = BootClock::now();
  if (now < next_look_) return channel_;
  next_look_ = now + kLookAgain;
  auto read = Read(files_);
  if (!read) return channel_;
  const bool settled = std::exchange(read_, std::move(*read)) == read_;
  if (channel_ && (!settled || read_ == in_force_)) return channel_;
  in_force_ = read_;
  channel_ = CredentialsOf(in_force_.authorities, in_force_.certificate, in_force_.key);
  return channel_;
}

}  // namespace vigil::client
