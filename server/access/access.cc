#include "access/access.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <sstream>

#include "access/lines.h"
#include "base/log.h"
#include "base/read_file.h"
#include "core/errors.h"
#include "core/validate.h"

namespace vigil {
namespace {

// So that who shows many names cannot have all of them in every error.
constexpr size_t kNamesShown = 3;

Result<std::string> Load(const std::string& name) {
  if (auto text = ReadFile(name, kLargestFile)) return std::move(*text);
  return Fail(Error{Code::kFailedPrecondition,
                    "INTERNAL",
                    name + ": cannot be read",
                    "Correct the setting, or the permissions of the file.",
                    {}});
}

// The error, with the name of its file.
Failure In(const std::string& file, Error error) {
  error.message = file + ": " + error.message;
  return Fail(std::move(error));
}

Error NothingIn() {
  return Error{Code::kFailedPrecondition,
               "INTERNAL",
               "it has no entry",
               "Give it a line for whoever may call; one file without any would lock all out.",
               {}};
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
  if (insecure) return true;
  return binding.empty() ? operates : std::ranges::find(bindings, binding) != bindings.end();
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
  const std::array read{DigestOf(tokens), DigestOf(*grants)};
  if (read == read_) return {};

  // Whoever writes a file in place leaves it cut short for a moment: one whose last line has no end
  // counts when the next look finds it as it was. The first is whole: nobody has begun to write.
  const auto whole = [](const std::string& text) { return text.empty() || text.ends_with('\n'); };
  const bool first = read_ == std::array<Digest, 2>{};
  if (!first && !(whole(tokens) && whole(*grants)) && std::exchange(unended_, read) != read) {
    return {};
  }

  auto parsed_tokens = Tokens::Parse(tokens);
  if (!parsed_tokens) return In(files_.tokens, std::move(parsed_tokens.error()));
  auto parsed_grants = Grants::Parse(*grants);
  if (!parsed_grants) return In(files_.grants, std::move(parsed_grants.error()));
  if (!files_.tokens.empty() && parsed_tokens->size() == 0) return In(files_.tokens, NothingIn());
  if (parsed_grants->size() == 0) return In(files_.grants, NothingIn());
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

std::string BindingFor(const std::string& identity) { return ShortText(DigestOf(identity)); }

}  // namespace

Result<std::vector<std::string>> Access::Granted(
    const Caller& caller, const InForce& now, Rpc rpc, std::string_view where,
    const std::function<Roles(const std::string&)>& roles_of) const {
  if (Expired(caller)) return Fail(CallerUnknown("the certificate that was shown has expired"));
  auto identities = IdentitiesOf(caller, now.tokens);
  if (!identities) return identities;
  const Right& right = RightOf(rpc);
  const auto granted = [&](const std::string& one) { return roles_of(one).Meets(right.roles); };
  const auto first = std::stable_partition(identities->begin(), identities->end(), granted);
  if (first != identities->begin()) return identities;
  identities->resize(std::min(identities->size(), kNamesShown));
  return Fail(NotGranted(fmt::format("{}", fmt::join(*identities, ", ")),
                         right.name.substr(right.name.find('/') + 1), where, Names(right.roles)));
}

Result<std::string> Access::AskAnywhere(const Caller& caller, Rpc rpc) const {
  if (insecure_) return std::string();
  const auto now = Now();
  return Granted(caller, *now, rpc, "any namespace",
                 [&](const std::string& identity) { return now->grants.RolesAnywhere(identity); })
      .map([](const auto& identities) { return BindingFor(identities.front()); });
}

Result<Permission> Access::Ask(const Caller& caller, Rpc rpc, std::string_view ns) const {
  if (insecure_) return Permission{.insecure = true};
  const auto now = Now();
  // What is no namespace may be as long as a message.
  const std::string where =
      CheckNamespace(ns) ? fmt::format("the namespace '{}'", ns) : "what is no namespace";
  const auto identities = Granted(caller, *now, rpc, where, [&](const std::string& identity) {
    return now->grants.RolesOf(identity, ns);
  });
  if (!identities) return Fail(identities.error());
  Permission permission;
  for (const std::string& identity : *identities) {
    const Roles roles = now->grants.RolesOf(identity, ns);
    permission.operates = permission.operates || roles.Has(Role::kOperator);
    permission.claims = permission.claims || roles.Meets(RightOf(Rpc::kClaimWork).roles);
    permission.bindings.push_back(BindingFor(identity));
  }
  return permission;
}

Result<Share> Access::Take(ShareOf what, std::string_view name) const {
  if (name.empty()) return Share();
  return shares_.Take(what, name);
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
