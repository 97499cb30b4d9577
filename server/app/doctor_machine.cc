#include "app/doctor_machine.h"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "access/access.h"
#include "app/descriptors.h"
#include "app/server.h"
#include "base/address.h"
#include "core/timing.h"
#include "http/ask.h"
#include "rpc/tls.h"

namespace vigil {
namespace {

constexpr Duration kAskPatience = std::chrono::seconds(5);
// Renewal has failed for a while when so little is left of a certificate that is renewed by itself.
constexpr std::chrono::hours kExpiresSoon(7 * 24);
constexpr int kOk = 200;

std::string Seconds(Duration duration) {
  return fmt::format("{:g} s", std::chrono::duration<double>(duration).count());
}

std::string Days(std::chrono::seconds time) {
  if (time < std::chrono::hours(48)) {
    return fmt::format("{} hours", time / std::chrono::hours(1));
  }
  return fmt::format("{} days", time / std::chrono::hours(24));
}

void DiagnoseCertificate(const CertificateFacts& certificate, bool served, Findings& findings) {
  constexpr std::string_view kCheck = "tls";
  const std::string which = fmt::format("{} ({})", certificate.file, certificate.subject);
  if (certificate.ends_in.count() <= 0) {
    findings.Fail(kCheck, fmt::format("{} has expired {} ago", which, Days(-certificate.ends_in)),
                  "Renew it; the files are read again while it runs.");
  } else if (certificate.begins_in.count() > 0) {
    findings.Fail(kCheck,
                  fmt::format("{} is not valid for {} yet", which, Days(certificate.begins_in)),
                  "Wait, or look at the clocks of this machine and of who issued it.");
  } else if (certificate.ends_in < kExpiresSoon) {
    findings.Warn(kCheck, fmt::format("{} expires in {}", which, Days(certificate.ends_in)),
                  "Renew it; the files are read again while it runs.");
  } else {
    findings.Ok(kCheck, fmt::format("{} is valid for {}", which, Days(certificate.ends_in)));
  }
  if (served && !certificate.named) {
    findings.Warn(kCheck, fmt::format("{} names no host: clients refuse it", which),
                  "Issue it with a subjectAltName for each name and address that clients use.");
  }
}

void DiagnoseTls(const Config& config, Findings& findings) {
  const auto texts = ReadTls({.certificate = config.tls_cert,
                              .key = config.tls_key,
                              .client_authorities = config.tls_client_ca,
                              .client_required = config.tokens.empty()});
  if (!texts) {
    findings.Fail("tls", texts.error());
    return;
  }
  bool served = true;
  for (const auto& certificate : InspectCertificates(config.tls_cert, texts->identity)) {
    DiagnoseCertificate(certificate, std::exchange(served, false), findings);
  }
  for (const auto& certificate :
       InspectCertificates(config.tls_client_ca, texts->client_authorities)) {
    DiagnoseCertificate(certificate, /*served=*/false, findings);
  }
}

void DiagnoseSecrecy(const std::string& file, Findings& findings) {
  struct stat facts {};
  if (file.empty() || stat(file.c_str(), &facts) != 0 || (facts.st_mode & S_IROTH) == 0) return;
  findings.Warn("access", fmt::format("{} can be read by everybody on this machine", file),
                fmt::format("chmod o-rwx {}", file));
}

bool IsIn(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// Why the address cannot be listened on; 0 when it can.
int TryToListen(const std::string& address) {
  const auto addresses = ResolveToListen(address);
  if (!addresses) return EADDRNOTAVAIL;
  const addrinfo& first = **addresses;
  const int listener = socket(first.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) return errno;
  const int yes = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  const bool bound =
      bind(listener, first.ai_addr, first.ai_addrlen) == 0 && listen(listener, 1) == 0;
  const int why = bound ? 0 : errno;
  close(listener);
  return why;
}

void DiagnosePort(std::string_view setting, const std::string& address, bool served,
                  Findings& findings) {
  constexpr std::string_view kCheck = "ports";
  const int why = TryToListen(address);
  if (why == 0) {
    findings.Ok(kCheck, fmt::format("{} is free ({})", address, setting));
  } else if (why == EADDRINUSE && served) {
    findings.Ok(kCheck,
                fmt::format("{} is served by a coordinator already ({})", address, setting));
  } else {
    findings.Fail(
        kCheck, fmt::format("{} cannot be listened on: {}", address, strerror(why)),
        fmt::format("Choose another address with {}, or stop what listens there.", setting));
  }
}

}  // namespace

void DiagnoseTiming(const Config& config, Findings& findings) {
  constexpr std::string_view kCheck = "timing";
  if (const auto checked = CheckConfig(config); !checked) {
    findings.Fail(kCheck, checked.error());
    return;
  }
  const Timing& timing = config.coordinator.timing;
  const Duration lease = timing.default_lease;
  findings.Ok(kCheck, fmt::format("pods do not notice an outage of the database of less than {} "
                                  "(trust window), less the time to reconnect",
                                  Seconds(timing.trust_window)));
  findings.Ok(kCheck,
              fmt::format("STRICT, lease {}: DEAD {} after its connection breaks, {} after it is "
                          "lost with its coordinator",
                          Seconds(lease), Seconds(Stretched(lease, timing)),
                          Seconds(GraceFor(Profile::kStrict, lease, timing))));
  findings.Ok(kCheck,
              fmt::format("FAST, lease {}: DEAD at once when its connection breaks, {} after it is "
                          "lost with its coordinator",
                          Seconds(lease), Seconds(GraceFor(Profile::kFast, lease, timing))));
}

void DiagnoseAccess(const Config& config, Findings& findings) {
  constexpr std::string_view kCheck = "access";
  if (const auto checked = CheckAccess(config); !checked) {
    findings.Fail(kCheck, checked.error());
  } else if (config.insecure) {
    findings.Warn(kCheck, "it would serve without TLS and without rights (--insecure)",
                  "Set --tls-cert, --tls-key and --grants where more than this machine reaches the "
                  "port.");
  }
  if (!config.tls_cert.empty() && !config.tls_key.empty()) DiagnoseTls(config, findings);
  if (config.grants.empty()) return;
  const SystemClock clock;
  Access access({.tokens = config.tokens, .grants = config.grants}, clock);
  if (const auto read = access.Read(); !read) {
    findings.Fail(kCheck, read.error());
  } else {
    findings.Ok(kCheck, config.tokens.empty() ? fmt::format("{} is well-formed", config.grants)
                                              : fmt::format("{} and {} are well-formed",
                                                            config.tokens, config.grants));
  }
  DiagnoseSecrecy(config.tokens, findings);
  DiagnoseSecrecy(config.tls_key, findings);
}

void DiagnosePorts(const Config& config, Findings& findings) {
  std::optional<Result<HttpReply>> live;
  if (!config.http_listen.empty()) live = Ask(config.http_listen, "/livez", kAskPatience);
  // The body says that it is one of ours.
  const bool served =
      live && *live && (IsIn((*live)->body, "\"live\"") || IsIn((*live)->body, "\"check\""));
  DiagnosePort("--listen", config.listen, served, findings);
  if (!config.http_listen.empty()) {
    DiagnosePort("--http-listen", config.http_listen, served, findings);
  }
  if (!served) return;
  const auto ready = Ask(config.http_listen, "/readyz", kAskPatience);
  if (ready && ready->status == kOk) {
    findings.Ok("ports", "the coordinator that serves there is ready");
  } else {
    findings.Warn("ports", "the coordinator that serves there is not ready",
                  fmt::format("curl 'http://{}/readyz?verbose' says why.", config.http_listen));
  }
}

void DiagnoseFiles(const Config& config, Findings& findings) {
  constexpr std::string_view kCheck = "files";
  RaiseDescriptorLimit();
  const size_t share = ShareOfDescriptors(config);
  const size_t http = config.http_listen.empty() ? 0 : config.http_connections;
  const std::string sum = fmt::format(
      "the files that this process may open are enough for {} connections over gRPC "
      "and for {} over HTTP",
      std::min(config.grpc_connections, share), std::min(http, share));
  if (share >= config.grpc_connections && share >= http) {
    findings.Ok(kCheck, sum);
  } else {
    findings.Warn(kCheck, sum,
                  fmt::format("The settings ask for {} and {}: start it with a hard limit of {} "
                              "files, or lower --grpc-connections and --http-connections.",
                              config.grpc_connections, http,
                              2 * std::max(config.grpc_connections, http) + 1000));
  }
}

}  // namespace vigil
