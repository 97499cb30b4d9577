#include "cli/context.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <utility>

namespace vigil::client {

void Context::ExportCredentials() const {
  for (const auto& [name, value] : {std::pair("VIGIL_TLS_CA", &tls_ca),
                                    {"VIGIL_TLS_CERT", &tls_cert},
                                    {"VIGIL_TLS_KEY", &tls_key},
                                    {"VIGIL_TLS_SERVER_NAME", &tls_server_name},
                                    {"VIGIL_TOKEN_FILE", &token_file}}) {
    if (!value->empty()) setenv(name, value->c_str(), 1);
  }
}

Result<Client> Context::Connect() const {
  return Connect(std::chrono::seconds(10), std::chrono::seconds(3));
}

Result<Client> Context::Connect(Duration call_timeout, Duration attempt_timeout) const {
  Client::Options options{
      .call_timeout = call_timeout, .attempt_timeout = attempt_timeout, .spread = !in_order};
  if (!(tls_ca + tls_cert + tls_key + tls_server_name).empty()) {
    options.tls = Tls{.ca_file = tls_ca == "system" ? "" : tls_ca,
                      .cert_file = tls_cert,
                      .key_file = tls_key,
                      .server_name = tls_server_name};
  }
  options.token_file = token_file;
  std::istringstream list(addresses);
  for (std::string address; std::getline(list, address, ',');) {
    if (!address.empty()) options.addresses.push_back(address);
  }
  return Client::Create(std::move(options));
}

ExitCode ExitCodeFor(const Error& error) {
  if (IsRetryable(error)) return kUnreachable;
  switch (error.code) {
    case Code::kInvalidArgument:
      return kUsage;
    case Code::kFailedPrecondition:
    case Code::kAlreadyExists:
    case Code::kAborted:
    case Code::kPermissionDenied:
      return kRefused;
    case Code::kOutOfRange:
      return kExpired;
    default:
      return kFailed;
  }
}

int Fail(const Error& error) {
  std::fprintf(stderr, "vigil: %s\n%s\n", Describe(error).c_str(), error.hint.c_str());
  return ExitCodeFor(error);
}

void Caller::AddOptions(CLI::App& app) {
  app.add_option("--incarnation", incarnation, "The caller")->envname("VIGIL_INCARNATION");
  app.add_option("--pod", pod, "The caller by its pod's name, when --incarnation is not given")
      ->envname("POD_NAME");
}

Result<Incarnation> Caller::Resolve(const Client& client, const std::string& ns) const {
  if (incarnation != 0) return Incarnation(incarnation);
  if (!pod.empty()) {
    return client.GetPod(ns, pod).map([](const Pod& found) { return found.incarnation; });
  }
  return tl::unexpected(Error{Code::kInvalidArgument,
                              Reason::kNone,
                              "who calls is not known",
                              "Give --incarnation or --pod, or run the command under `vigil run`.",
                              {}});
}

}  // namespace vigil::client
