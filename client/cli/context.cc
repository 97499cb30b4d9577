#include "cli/context.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>
#include <sstream>

namespace vigil::client {

Result<Client> Context::Connect() const {
  return Connect(std::chrono::seconds(10), std::chrono::seconds(3));
}

Result<Client> Context::Connect(Duration call_timeout, Duration attempt_timeout) const {
  Client::Options options{
      .call_timeout = call_timeout, .attempt_timeout = attempt_timeout, .spread = !in_order};
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
