// Which roles may call which rpc: one table.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace vigil {

enum class Role : uint8_t {
  kMember = 1,      // is a pod, and looks
  kSubscriber = 2,  // follows the log, and looks at pods
  kClaimer = 4,     // runs work for its own pods, and looks
  kOperator = 8,    // everything
  kReadOnly = 16,   // looks and follows the log
};

// Several of them.
struct Roles {
  uint8_t bits = 0;

  constexpr Roles() = default;
  constexpr explicit Roles(Role role) : bits(static_cast<uint8_t>(role)) {}
  constexpr bool Meets(Roles other) const { return (bits & other.bits) != 0; }
  constexpr bool Has(Role role) const { return Meets(Roles(role)); }
  bool operator==(const Roles&) const = default;
};

constexpr Roles operator|(Roles one, Roles other) {
  one.bits |= other.bits;
  return one;
}
constexpr Roles operator|(Roles roles, Role role) { return roles | Roles(role); }
constexpr Roles operator|(Role one, Role other) { return Roles(one) | Roles(other); }

// Nothing when no role has this name.
std::optional<Role> RoleFrom(std::string_view name);
// "member, operator"
std::string Names(Roles roles);

enum class Rpc {
  kSession,
  kGetPod,
  kListPods,
  kSubscribe,
  kStartWork,
  kCheckpointWork,
  kCompleteWork,
  kReleaseWork,
  kFailWork,
  kTransferWork,
  kClaimWork,
  kClaimOrphans,
  kReleaseQuarantinedWork,
  kGetWork,
  kListWork,
};

struct Right {
  Rpc rpc;
  // As the contract has it: "vigil.v1.WorkService/ClaimWork".
  std::string_view name;
  // Any of them is enough.
  Roles roles;
};

// One for each rpc of the contract, in the order of Rpc.
std::span<const Right> Rights();
const Right& RightOf(Rpc rpc);

}  // namespace vigil
