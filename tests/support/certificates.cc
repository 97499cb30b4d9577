#include "support/certificates.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>
#include <vector>

#include "support/process.h"

namespace vigil {
namespace {

constexpr auto kPatience = std::chrono::seconds(30);

Result<void> OpenSsl(std::vector<std::string> words) {
  words.insert(words.begin(), "openssl");
  auto process = Process::Spawn({.command = std::move(words)});
  if (!process) return Fail(process.error());
  if ((*process)->AwaitEnd(kPatience) == 0) return {};
  return Fail(Error{.code = Code::kFailedPrecondition,
                    .message = "openssl failed: " + (*process)->Transcript(),
                    .hint = "See what it says."});
}

}  // namespace

Result<CertificateAuthority> CertificateAuthority::Make(const std::string& name) {
  std::string directory = std::filesystem::temp_directory_path() / "vigil-ca-XXXXXX";
  if (!mkdtemp(directory.data())) {
    return Fail(Error{.code = Code::kFailedPrecondition,
                      .message = "there is no place for a temporary directory",
                      .hint = "Look at TMPDIR."});
  }
  CertificateAuthority authority(directory);
  auto made = OpenSsl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                       "-nodes", "-days", "2", "-subj", "/CN=" + name, "-keyout",
                       directory + "/ca.key", "-out", authority.certificate()});
  if (!made) return Fail(made.error());
  return authority;
}

CertificateAuthority::CertificateAuthority(CertificateAuthority&& other) noexcept
    : directory_(std::exchange(other.directory_, "")) {}

CertificateAuthority::~CertificateAuthority() {
  std::error_code ignored;
  if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
}

Result<CertificateAuthority::Issued> CertificateAuthority::Issue(const std::string& common_name,
                                                                 const std::string& alternatives,
                                                                 int days) const {
  const std::string base = directory_ + "/" + common_name;
  std::ofstream(base + ".ext") << "basicConstraints=CA:FALSE\n"
                               << (alternatives.empty() ? "" : "subjectAltName=" + alternatives);
  auto done =
      OpenSsl({"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
               "-subj", "/CN=" + common_name, "-keyout", base + ".key.new", "-out", base + ".csr"})
          .and_then([&] {
            return OpenSsl({"x509", "-req", "-in", base + ".csr", "-CA", certificate(), "-CAkey",
                            directory_ + "/ca.key", "-days", std::to_string(days), "-extfile",
                            base + ".ext", "-out", base + ".pem.new"});
          });
  if (!done) return Fail(done.error());
  for (const char* file : {".key", ".pem"}) {
    std::filesystem::rename(base + file + ".new", base + file);
  }
  return Issued{base + ".pem", base + ".key"};
}

}  // namespace vigil
