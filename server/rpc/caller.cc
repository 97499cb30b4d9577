#include "rpc/caller.h"

#include <grpc/grpc_security_constants.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "access/lines.h"

namespace vigil {
namespace {

// More names of one certificate are not looked at, nor longer ones: nobody grants them anything.
// (P11)
constexpr size_t kMostNames = 64;
// One that is good for longer is asked for again by then: a Duration ends after 292 years.
constexpr int kMostDays = 36'500;

// How long the certificate is good for; one that cannot be read is not.
Duration TimeLeft(grpc::string_ref pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> text(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr), X509_free);
  int days = 0;
  int seconds = 0;
  const bool read = certificate && ASN1_TIME_diff(&days, &seconds, nullptr,
                                                  X509_get0_notAfter(certificate.get())) == 1;
  ERR_clear_error();
  if (!read) return {};
  return std::chrono::hours(24) * std::clamp(days, -kMostDays, kMostDays) +
         std::chrono::seconds(seconds);
}

}  // namespace

Caller CallerOf(const grpc::CallbackServerContext& context, const Clock& clock) {
  Caller caller;
  if (const auto peer = context.auth_context()) {
    for (const char* kind :
         {GRPC_PEER_URI_PROPERTY_NAME, GRPC_PEER_DNS_PROPERTY_NAME, GRPC_X509_CN_PROPERTY_NAME}) {
      for (const grpc::string_ref& name : peer->FindPropertyValues(kind)) {
        std::string text(name.data(), name.size());
        auto& names = caller.certified;
        if (text.size() > kLongestIdentity || names.size() == kMostNames ||
            std::ranges::find(names, text) != names.end()) {
          continue;
        }
        names.push_back(std::move(text));
      }
    }
    // A connection outlives what it began with, and one that resumes a TLS session does not look at
    // the certificate again.
    for (const auto& pem : peer->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME)) {
      caller.certified_until = clock.Now() + TimeLeft(pem);
    }
  }
  const auto [first, last] = context.client_metadata().equal_range("authorization");
  std::string authorization;
  for (auto it = first; it != last; ++it) {
    if (!authorization.empty()) authorization += ',';  // two are a token that nobody has
    authorization.append(it->second.data(), it->second.size());
  }
  caller.token = TokenFrom(authorization);
  return caller;
}

}  // namespace vigil
