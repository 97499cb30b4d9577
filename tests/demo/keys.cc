#include "keys.h"

#include <fstream>
#include <utility>

namespace vigil {
namespace {

constexpr auto kCoordinator = "coordinator";
constexpr auto kAudience = "audience";

}  // namespace

Result<Keys> Keys::Make(const std::vector<std::string>& pods) {
  auto authority = CertificateAuthority::Make("the demonstration");
  if (!authority) return Fail(authority.error());
  Keys keys(std::move(*authority));
  std::vector<std::string> names = pods;
  names.insert(names.end(), {kCoordinator, kAudience});
  for (const std::string& name : names) {
    auto issued =
        keys.authority_.Issue(name, name == kCoordinator ? "IP:127.0.0.1" : "DNS:" + name);
    if (!issued) return Fail(issued.error());
    keys.issued_.emplace(name, std::move(*issued));
  }
  std::ofstream grants(keys.authority_.directory() + "/grants");
  for (const std::string& pod : pods) grants << pod << " default member,claimer,subscriber\n";
  grants << kAudience << " * read-only\n";
  return keys;
}

VigilCluster::Security Keys::security() const {
  const auto& server = issued_.at(kCoordinator);
  const auto& audience = issued_.at(kAudience);
  return {.settings = {"--tls-cert", server.certificate, "--tls-key", server.key, "--tls-client-ca",
                       authority_.certificate(), "--grants", authority_.directory() + "/grants"},
          .caller = {.ca_file = authority_.certificate(),
                     .cert_file = audience.certificate,
                     .key_file = audience.key}};
}

std::map<std::string, std::string> Keys::EnvironmentOf(const std::string& pod) const {
  const auto& own = issued_.at(pod);
  return {{"VIGIL_TLS_CA", authority_.certificate()},
          {"VIGIL_TLS_CERT", own.certificate},
          {"VIGIL_TLS_KEY", own.key}};
}

}  // namespace vigil
