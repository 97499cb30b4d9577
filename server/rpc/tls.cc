#include "rpc/tls.h"

#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <utility>

namespace vigil {
namespace {

constexpr unsigned int kReadAgainSeconds = 1;

using File = std::unique_ptr<BIO, decltype(&BIO_free)>;
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

File Open(const std::string& file) { return {BIO_new_file(file.c_str(), "r"), BIO_free}; }

// A key that is locked with a passphrase is refused rather than asked for at a terminal.
int NoPassphrase(char*, int, int, void*) { return 0; }

Result<Certificate> ReadCertificate(const std::string& name) {
  const File file = Open(name);
  if (!file) return Unusable(name, "cannot be read");
  Certificate certificate(PEM_read_bio_X509(file.get(), nullptr, NoPassphrase, nullptr), X509_free);
  if (!certificate) return Unusable(name, "holds no certificate");
  return certificate;
}

Result<Key> ReadKey(const std::string& name) {
  const File file = Open(name);
  if (!file) return Unusable(name, "cannot be read");
  Key key(PEM_read_bio_PrivateKey(file.get(), nullptr, NoPassphrase, nullptr), EVP_PKEY_free);
  if (!key) return Unusable(name, "holds no private key without a passphrase");
  return key;
}

Result<void> CheckFiles(const TlsFiles& files) {
  const auto certificate = ReadCertificate(files.certificate);
  if (!certificate) return Fail(certificate.error());
  const auto key = ReadKey(files.key);
  if (!key) return Fail(key.error());
  if (X509_check_private_key(certificate->get(), key->get()) != 1) {
    return Unusable(files.key, "is not the key of " + files.certificate);
  }
  if (files.client_authorities.empty()) return {};
  return ReadCertificate(files.client_authorities).map([](const Certificate&) {});
}

std::chrono::seconds Until(const ASN1_TIME* time) {
  int days = 0;
  int seconds = 0;
  ASN1_TIME_diff(&days, &seconds, /*from, now=*/nullptr, time);
  return std::chrono::hours(24 * days) + std::chrono::seconds(seconds);
}

CertificateFacts FactsOf(const std::string& file, X509* certificate) {
  char subject[256] = "";
  const File text(BIO_new(BIO_s_mem()), BIO_free);
  X509_NAME_print_ex(text.get(), X509_get_subject_name(certificate), 0, XN_FLAG_ONELINE);
  const int length = BIO_read(text.get(), subject, sizeof(subject));
  return {.file = file,
          .subject = std::string(subject, static_cast<size_t>(std::max(length, 0))),
          .begins_in = Until(X509_get0_notBefore(certificate)),
          .ends_in = Until(X509_get0_notAfter(certificate)),
          .named = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1) >= 0};
}

// All of a file; what stands behind the last one is no concern of TLS either.
void AddFacts(const std::string& name, std::vector<CertificateFacts>& all) {
  const File file = Open(name);
  while (file) {
    const Certificate certificate(PEM_read_bio_X509(file.get(), nullptr, NoPassphrase, nullptr),
                                  X509_free);
    if (!certificate) break;
    all.push_back(FactsOf(name, certificate.get()));
  }
  ERR_clear_error();
}

}  // namespace

Result<std::vector<CertificateFacts>> InspectCertificates(const TlsFiles& files) {
  if (auto checked = CheckFiles(files); !checked) return Fail(std::move(checked.error()));
  std::vector<CertificateFacts> all;
  AddFacts(files.certificate, all);
  if (!files.client_authorities.empty()) AddFacts(files.client_authorities, all);
  return all;
}

Result<std::shared_ptr<grpc::ServerCredentials>> TlsCredentials(const TlsFiles& files) {
  if (auto checked = CheckFiles(files); !checked) return Fail(std::move(checked.error()));
  using grpc::experimental::FileWatcherCertificateProvider;
  grpc::experimental::TlsServerCredentialsOptions options(
      std::make_shared<FileWatcherCertificateProvider>(
          files.key, files.certificate, files.client_authorities, kReadAgainSeconds));
  options.watch_identity_key_cert_pairs();
  if (!files.client_authorities.empty()) {
    options.watch_root_certs();
    options.set_cert_request_type(files.client_required
                                      ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                      : GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return grpc::experimental::TlsServerCredentials(options);
}

}  // namespace vigil
