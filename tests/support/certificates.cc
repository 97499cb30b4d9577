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

Result<void> Run(std::vector<std::string> command) {
  auto process = Process::Spawn({.command = std::move(command)});
  if (!process) return Fail(process.error());
  if ((*process)->AwaitEnd(kPatience) == 0) return {};
  return Fail(Error{.code = Code::kFailedPrecondition,
                    .message = "openssl failed: " + (*process)->Transcript(),
                    .hint = "See what it says."});
}

Result<void> OpenSsl(std::vector<std::string> words) {
  words.insert(words.begin(), "openssl");
  return Run(std::move(words));
}

// What `openssl ca` wants, which alone can end a certificate at a second.
constexpr char kSettings[] =
    "[ca]\ndefault_ca=d\n[d]\npolicy=p\ndefault_md=sha256\nunique_subject=no\n[p]\n"
    "commonName=supplied\n";

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

Result<CertificateAuthority::Issued> CertificateAuthority::IssueFor(const std::string& common_name,
                                                                    int seconds) const {
  auto issued = Issue(common_name, "");
  if (!issued) return issued;
  const std::string base = directory_ + "/" + common_name;
  std::ofstream(directory_ + "/index");
  std::ofstream(base + ".conf") << kSettings << "[d]\ndatabase=" << directory_
                                << "/index\nserial=" << directory_
                                << "/serial\nnew_certs_dir=" << directory_ << "\n";
  auto done = Run({"sh", "-c",
                   "exec openssl ca -batch -notext -create_serial -config $0.conf -in $0.csr"
                   " -cert $1/ca.pem -keyfile $1/ca.key -out $0.pem"
                   " -enddate $(date -u -d \"+$2 seconds\" +%Y%m%d%H%M%SZ)",
                   base, directory_, std::to_string(seconds)});
  if (!done) return Fail(done.error());
  return issued;
}

}  // namespace vigil
