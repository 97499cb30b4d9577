#include "rpc/tls_watch.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "base/log.h"

namespace vigil {
namespace {

// Unless that is what it holds.
Result<void> Copy(const std::string& text, MemoryFile& file, std::string& held) {
  if (text == held) return {};
  if (!file.Replace(text)) {
    return Fail(Error{Code::kFailedPrecondition,
                      "INTERNAL",
                      fmt::format("the files of TLS cannot be copied: {}", strerror(errno)),
                      "It takes two files in memory (memfd_create): look at the limits of files "
                      "and memory, and at what the system forbids this process.",
                      {}});
  }
  held = text;
  return {};
}

}  // namespace

Result<std::shared_ptr<grpc::ServerCredentials>> TlsWatch::Credentials() {
  auto read = ReadTls(files_);
  if (!read) return Fail(std::move(read.error()));
  if (auto taken = TakeOver(*read); !taken) return Fail(std::move(taken.error()));
  read_ = std::move(*read);
  return TlsCredentials(identity_.path(),
                        files_.client_authorities.empty() ? "" : client_authorities_.path(),
                        files_.client_required);
}

Result<void> TlsWatch::TakeOver(const TlsTexts& texts) {
  if (auto copied = Copy(texts.identity, identity_, in_force_.identity); !copied) return copied;
  return Copy(texts.client_authorities, client_authorities_, in_force_.client_authorities);
}

void TlsWatch::Look() {
  auto read = ReadTls(files_);
  Result<void> taken;
  if (!read) {
    taken = Fail(read.error());
  } else if (std::exchange(read_, std::move(*read)) == read_) {
    taken = TakeOver(read_);
  }
  Complain(taken);
  LookAtValidity();
}

void TlsWatch::Complain(const Result<void>& taken) {
  const std::string wrong = taken ? "" : taken.error().message;
  const bool twice = !wrong.empty() && wrong == seen_;
  seen_ = wrong;
  if (wrong == complained_ || (!wrong.empty() && !twice)) return;
  complained_ = wrong;
  if (wrong.empty()) {
    log::Info("The files of TLS are as they should be again.");
  } else {
    log::Failed("A file of TLS is not as it should be. What was in force stays.", taken.error());
  }
}

void TlsWatch::LookAtValidity() {
  const CertificateFacts served =
      InspectCertificates(files_.certificate, in_force_.identity).front();
  const bool ended = served.ends_in.count() <= 0;
  const bool stopped = ended || served.begins_in.count() > 0;
  if (stopped == stopped_) return;
  stopped_ = stopped;
  if (!stopped) return tell_(std::nullopt);
  tell_(Error{Code::kFailedPrecondition,
              "INTERNAL",
              fmt::format("the certificate in force, from {}, {}", files_.certificate,
                          ended ? "has expired" : "is not valid yet"),
              "Renew it, or look at the clock of this machine.",
              {}});
}

}  // namespace vigil
