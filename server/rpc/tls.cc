#include "rpc/tls.h"

#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <utility>

#include "base/check.h"
#include "base/read_file.h"

namespace vigil {
namespace {

constexpr unsigned int kReadAgainSeconds = 1;
// Authorities of all the world are a quarter of it.
constexpr size_t kMostBytes = 1 << 20;

using Text = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Failure Unusable(const std::string& file, std::string_view why) {
  ERR_clear_error();
  return Fail(Error{Code::kFailedPrecondition,
                    "INTERNAL",
                    file + " " + std::string(why),
                    "Correct the setting or the file; both are in PEM.",
                    {}});
}

// A key that is locked with a passphrase is refused rather than asked for at a terminal.
int NoPassphrase(char*, int, int, void*) { return 0; }

Text Reader(const std::string& text) {
  return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free};
}

Text Writer() { return {BIO_new(BIO_s_mem()), BIO_free}; }

std::string Written(const Text& text) {
  char* begin = nullptr;
  const long length = BIO_get_mem_data(text.get(), &begin);
  return {begin, static_cast<size_t>(length)};
}

Certificate NextCertificate(const Text& text) {
  return {PEM_read_bio_X509(text.get(), nullptr, NoPassphrase, nullptr), X509_free};
}

Result<std::string> ReadWhole(const std::string& name) {
  auto text = ReadFile(name, kMostBytes);
  if (!text) return Unusable(name, "cannot be read");
  if (text->size() > kMostBytes) return Unusable(name, "holds more than 1 MiB");
  return std::move(*text);
}

// The first one is the certificate itself, or an authority like the others.
Result<std::vector<Certificate>> ReadCertificates(const std::string& name) {
  const auto whole = ReadWhole(name);
  if (!whole) return Fail(whole.error());
  const Text text = Reader(*whole);
  std::vector<Certificate> all;
  while (Certificate next = NextCertificate(text)) all.push_back(std::move(next));
  if (all.empty()) return Unusable(name, "holds no certificate");
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
    return Unusable(name, "holds a certificate that is broken or cut off");
  }
  ERR_clear_error();
  return all;
}

Result<Key> ReadKey(const std::string& name) {
  const auto whole = ReadWhole(name);
  if (!whole) return Fail(whole.error());
  const Text text = Reader(*whole);
  Key key(PEM_read_bio_PrivateKey(text.get(), nullptr, NoPassphrase, nullptr), EVP_PKEY_free);
  if (!key) return Unusable(name, "holds no private key without a passphrase");
  return key;
}

void Write(const std::vector<Certificate>& certificates, const Text& text) {
  for (const Certificate& certificate : certificates) {
    VIGIL_CHECK(PEM_write_bio_X509(text.get(), certificate.get()) == 1);  // out of memory
  }
}

std::chrono::seconds Until(const ASN1_TIME* time) {
  int days = 0;
  int seconds = 0;
  ASN1_TIME_diff(&days, &seconds, /*from, now=*/nullptr, time);
  return std::chrono::hours(24 * days) + std::chrono::seconds(seconds);
}

CertificateFacts FactsOf(const std::string& file, X509* certificate) {
  const Text subject = Writer();
  X509_NAME_print_ex(subject.get(), X509_get_subject_name(certificate), 0, XN_FLAG_ONELINE);
  return {.file = file,
          .subject = Written(subject),
          .begins_in = Until(X509_get0_notBefore(certificate)),
          .ends_in = Until(X509_get0_notAfter(certificate)),
          .named = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1) >= 0};
}

}  // namespace

Result<TlsTexts> ReadTls(const TlsFiles& files) {
  const auto certificates = ReadCertificates(files.certificate);
  if (!certificates) return Fail(certificates.error());
  const auto key = ReadKey(files.key);
  if (!key) return Fail(key.error());
  if (X509_check_private_key(certificates->front().get(), key->get()) != 1) {
    return Unusable(files.key, "is not the key of " + files.certificate);
  }
  const Text identity = Writer();
  if (PEM_write_bio_PrivateKey(identity.get(), key->get(), nullptr, nullptr, 0, nullptr, nullptr) !=
      1) {
    return Unusable(files.key, "holds a key that cannot be written in PEM");
  }
  Write(*certificates, identity);
  const Text client_authorities = Writer();
  if (!files.client_authorities.empty()) {
    const auto authorities = ReadCertificates(files.client_authorities);
    if (!authorities) return Fail(authorities.error());
    Write(*authorities, client_authorities);
  }
  return TlsTexts{Written(identity), Written(client_authorities)};
}

std::vector<CertificateFacts> InspectCertificates(const std::string& file,
                                                  const std::string& text) {
  const Text reader = Reader(text);
  std::vector<CertificateFacts> all;
  while (const Certificate next = NextCertificate(reader)) all.push_back(FactsOf(file, next.get()));
  ERR_clear_error();
  return all;
}

std::shared_ptr<grpc::ServerCredentials> TlsCredentials(const std::string& identity,
                                                        const std::string& client_authorities,
                                                        bool client_required) {
  using grpc::experimental::FileWatcherCertificateProvider;
  grpc::experimental::TlsServerCredentialsOptions options(
      std::make_shared<FileWatcherCertificateProvider>(identity, identity, client_authorities,
                                                       kReadAgainSeconds));
  options.watch_identity_key_cert_pairs();
  if (!client_authorities.empty()) {
    options.watch_root_certs();
    options.set_cert_request_type(client_required
                                      ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                      : GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return grpc::experimental::TlsServerCredentials(options);
}

}  // namespace vigil
