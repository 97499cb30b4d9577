#include "access/grants.h"

#include <algorithm>

#include "access/lines.h"
#include "core/validate.h"

namespace vigil {
namespace {

constexpr std::string_view kEverywhere = "*";

// None when one of them is no role.
Roles RolesFrom(std::string_view list) {
  Roles roles;
  while (true) {
    const size_t comma = std::min(list.find(','), list.size());
    const auto role = RoleFrom(list.substr(0, comma));
    if (!role) return {};
    roles = roles | *role;
    if (comma == list.size()) return roles;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace

Result<Grants> Grants::Parse(std::string_view text) {
  Grants grants;
  auto read = ReadLines(text, [&](const std::vector<std::string_view>& words) -> std::string_view {
    if (words.size() != 3) return "a line is an identity, a namespace, and roles with commas";
    if (!IsIdentity(words[0])) return "an identity has 1 to 512 printable characters, and is not *";
    if (words[1] != kEverywhere && !CheckNamespace(words[1])) {
      return "the second word is neither a namespace nor *";
    }
    const Roles roles = RolesFrom(words[2]);
    if (roles == Roles()) return "the roles are member, subscriber, claimer, operator, read-only";
    Roles& granted = grants.granted_[std::string(words[0])][std::string(words[1])];
    granted = granted | roles;
    ++grants.size_;
    return "";
  });
  if (!read) return Fail(std::move(read.error()));
  return grants;
}

Roles Grants::RolesOf(std::string_view identity, std::string_view ns) const {
  const auto found = granted_.find(identity);
  if (found == granted_.end()) return {};
  Roles roles;
  for (const std::string_view where : {ns, kEverywhere}) {
    const auto granted = found->second.find(where);
    if (granted != found->second.end()) roles = roles | granted->second;
  }
  return roles;
}

Roles Grants::RolesAnywhere(std::string_view identity) const {
  const auto found = granted_.find(identity);
  if (found == granted_.end()) return {};
  Roles roles;
  for (const auto& [ns, granted] : found->second) roles = roles | granted;
  return roles;
}

}  // namespace vigil
