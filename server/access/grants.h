// Who has which roles where.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>

#include "access/rights.h"
#include "base/error.h"

namespace vigil {

// The lines `IDENTITY NAMESPACE ROLE[,ROLE...]` of a file; the namespace `*` is every one. Lines of
// the same identity add up.
class Grants {
 public:
  // Error INVALID_ARGUMENT, which names the line: other than three words, an identity, a namespace
  // or a role that is none.
  static Result<Grants> Parse(std::string_view text);

  // None when the identity has none there.
  Roles RolesOf(std::string_view identity, std::string_view ns) const;

  // All that it has in one namespace or another.
  Roles RolesAnywhere(std::string_view identity) const;

  // How many lines there are that grant something.
  size_t size() const { return size_; }

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  using ByNamespace = std::map<std::string, Roles, std::less<>>;

  std::unordered_map<std::string, ByNamespace, Hash, std::equal_to<>> granted_;
  size_t size_ = 0;
};

}  // namespace vigil
