#include "rpc/tls_watch.h"

#include <filesystem>
#include <fstream>

#include "base/log.h"

namespace vigil {
namespace {

// The credentials take what cannot be read, or is empty, for no change.
bool LeavesWhatWas(const std::string& file) {
  std::error_code error;
  return !file.empty() &&
         (!std::ifstream(file) || std::filesystem::file_size(file, error) == 0 || error);
}

}  // namespace

void TlsWatch::Look() {
  const auto checked = InspectCertificates(files_);
  const std::string wrong = checked ? "" : checked.error().message;
  const bool twice = !wrong.empty() && wrong == seen_;
  seen_ = wrong;
  if (!wrong.empty() && !twice) return;
  if (wrong.empty()) {
    if (!complained_.empty()) log::Info("The files of TLS are as they should be again.");
    complained_.clear();
  } else if (complained_ != wrong) {
    complained_ = wrong;
    log::Failed("A file of TLS is not as it should be.", checked.error());
  }
  const bool stops = !wrong.empty() && !LeavesWhatWas(files_.certificate) &&
                     !LeavesWhatWas(files_.key) && !LeavesWhatWas(files_.client_authorities);
  if (stops == stopped_) return;
  stopped_ = stops;
  tell_(stops ? std::optional(checked.error()) : std::nullopt);
}

}  // namespace vigil
