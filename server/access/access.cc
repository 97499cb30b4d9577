#include "access/access.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "access/lines.h"
#include "base/log.h"
#include "core/errors.h"

namespace vigil {
namespace {

// So that who shows many names cannot have all of them in every error.
constexpr size_t kNamesShown = 3;

Result<std::string> Load(const std::string& name) {
  std::string text(kLargestFile + 1, '\0');
  std::ifstream file(name, std::ios::binary);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.eof() && !file.good()) {
    return Fail(Error{Code::kFailedPrecondition,
                      "INTERNAL",
                      name + ": cannot be read",
                      "Correct the setting, or the permissions of the file.",
                      {}});
  }
  text.resize(static_cast<size_t>(file.gcount()));
  return text;
}

// The error, with the name of its file.
Failure In(const std::string& file, Error error) {
  error.message = file + ": " + error.message;
  return Fail(std::move(error));
}

}  // namespace

std::optional<Digest> TokenFrom(std::string_view authorization) {
  if (authorization.empty()) return std::nullopt;
  constexpr std::string_view kScheme = "bearer ";
  const bool bearer = authorization.size() > kScheme.size() &&
                      std::equal(kScheme.begin(), kScheme.end(), authorization.begin(),
                                 [](char one, char other) { return one == (other | 0x20); });
  return bearer ? DigestOf(authorization.substr(kScheme.size())) : Digest{};
}

bool Permission::Owns(std::string_view binding) const {
  return insecure || binding.empty() || std::ranges::find(bindings, binding) != bindings.end();
}

Access::FileStamp Access::StampOf(const std::string& file) {
  struct stat status {};
  if (file.empty() || stat(file.c_str(), &status) != 0) return {};
  return {status.st_ino, status.st_size,
          status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec};
}

Result<void> Access::Read() {
  const FileStamps stamps{StampOf(files_.tokens), StampOf(files_.grants)};
  const bool same = stamps == stamps_;
  if (same && settled_) return {};
  stamps_ = stamps;
  settled_ = false;
  auto read = ReadAll();
  // A file that is written to again within a tick of the system's clock looks the same, so what was
  // read stands only at the second look.
  settled_ = read && same;
  return read;
}

Result<void> Access::ReadAll() {
  std::string tokens;
  if (!files_.tokens.empty()) {
    auto text = Load(files_.tokens);
    if (!text) return Fail(std::move(text.error()));
    tokens = std::move(*text);
  }
  const auto grants = Load(files_.grants);
  if (!grants) return Fail(grants.error());
  // Neither file has a zero byte, or it is refused below.
  const Digest read = DigestOf(tokens + '\0' + *grants);
  if (Equal(read, read_)) return {};

  auto parsed_tokens = Tokens::Parse(tokens);
  if (!parsed_tokens) return In(files_.tokens, std::move(parsed_tokens.error()));
  auto parsed_grants = Grants::Parse(*grants);
  if (!parsed_grants) return In(files_.grants, std::move(parsed_grants.error()));
  auto next = std::make_shared<const InForce>(
      InForce{std::move(*parsed_tokens), std::move(*parsed_grants)});
  log::Info("Rights are in force.",
            {{"tokens", next->tokens.size()}, {"grants", next->grants.size()}});
  {
    std::lock_guard lock(mutex_);
    in_force_.swap(next);
  }
  epoch_.fetch_add(1, std::memory_order_release);
  read_ = read;
  return {};
}

void Access::ReadAgain() {
  if (insecure_) return;
  const auto read = Read();
  if (read) {
    complained_.clear();
  } else if (complained_ != read.error().message) {
    complained_ = read.error().message;
    log::Failed("What was in force stays: a file is not as it should be.", read.error());
  }
}

std::shared_ptr<const Access::InForce> Access::Now() const {
  std::lock_guard lock(mutex_);
  return in_force_;
}

namespace {

// All of a caller's whose certificate has not ended. Error CALLER_UNKNOWN.
Result<std::vector<std::string>> IdentitiesOf(const Caller& caller, const Tokens& tokens) {
  std::vector<std::string> identities = caller.certified;
  if (caller.token) {
    const std::string* identity = tokens.IdentityOf(*caller.token);
    if (!identity) return Fail(CallerUnknown("nobody has the token that was shown"));
    identities.push_back(*identity);
  }
  if (identities.empty()) return Fail(CallerUnknown("neither a certificate nor a token was shown"));
  return identities;
}

Error CertificateEnded() { return CallerUnknown("the certificate that was shown has expired"); }

}  // namespace

Result<void> Access::Recognize(const Caller& caller) const {
  if (insecure_) return {};
  if (Expired(caller)) return Fail(CertificateEnded());
  return IdentitiesOf(caller, Now()->tokens).map([](const auto&) {});
}

Result<Permission> Access::Ask(const Caller& caller, Rpc rpc, std::string_view ns) const {
  if (insecure_) return Permission{.insecure = true};
  if (Expired(caller)) return Fail(CertificateEnded());
  const auto now = Now();
  auto identities = IdentitiesOf(caller, now->tokens);
  if (!identities) return Fail(std::move(identities.error()));

  const Right& right = RightOf(rpc);
  const auto granted = [&](const std::string& identity) {
    return now->grants.RolesOf(identity, ns).Meets(right.roles);
  };
  const auto first = std::stable_partition(identities->begin(), identities->end(), granted);
  if (first == identities->begin()) {
    identities->resize(std::min(identities->size(), kNamesShown));
    return Fail(NotGranted(fmt::format("{}", fmt::join(*identities, ", ")),
                           right.name.substr(right.name.find('/') + 1), ns, Names(right.roles)));
  }
  Permission permission;
  for (const std::string& identity : *identities) {
    permission.operates =
        permission.operates || now->grants.RolesOf(identity, ns).Has(Role::kOperator);
    permission.bindings.push_back(ShortText(DigestOf(identity)));
  }
  return permission;
}

std::optional<Error> Permit::Refusal() {
  const uint64_t epoch = access_.epoch();
  if (epoch == epoch_ && !access_.Expired(caller_)) return std::nullopt;
  auto permission = access_.Ask(caller_, rpc_, ns_);
  if (!permission) return std::move(permission.error());
  permission_ = std::move(*permission);
  epoch_ = epoch;
  return std::nullopt;
}

}  // namespace vigil
