#include "access/rights.h"

#include <array>
#include <utility>

namespace vigil {
namespace {

constexpr std::pair<Role, std::string_view> kRoles[] = {{Role::kMember, "member"},
                                                        {Role::kSubscriber, "subscriber"},
                                                        {Role::kClaimer, "claimer"},
                                                        {Role::kOperator, "operator"},
                                                        {Role::kReadOnly, "read-only"}};

constexpr Roles kBePod = Role::kMember | Role::kOperator;
constexpr Roles kLookAtPods =
    Role::kMember | Role::kSubscriber | Role::kClaimer | Role::kOperator | Role::kReadOnly;
constexpr Roles kFollow = Role::kSubscriber | Role::kOperator | Role::kReadOnly;
constexpr Roles kWork = Role::kClaimer | Role::kOperator;
constexpr Roles kLookAtWork = Role::kMember | Role::kClaimer | Role::kOperator | Role::kReadOnly;
constexpr Roles kOperate(Role::kOperator);

constexpr std::array kRights = {
    Right{Rpc::kSession, "vigil.v1.PodRegistryService/Session", kBePod},
    Right{Rpc::kGetPod, "vigil.v1.PodRegistryService/GetPod", kLookAtPods},
    Right{Rpc::kListPods, "vigil.v1.PodRegistryService/ListPods", kLookAtPods},
    Right{Rpc::kSubscribe, "vigil.v1.PodEventService/Subscribe", kFollow},
    Right{Rpc::kStartWork, "vigil.v1.WorkService/StartWork", kWork},
    Right{Rpc::kCheckpointWork, "vigil.v1.WorkService/CheckpointWork", kWork},
    Right{Rpc::kCompleteWork, "vigil.v1.WorkService/CompleteWork", kWork},
    Right{Rpc::kReleaseWork, "vigil.v1.WorkService/ReleaseWork", kWork},
    Right{Rpc::kFailWork, "vigil.v1.WorkService/FailWork", kWork},
    Right{Rpc::kTransferWork, "vigil.v1.WorkService/TransferWork", kWork},
    Right{Rpc::kClaimWork, "vigil.v1.WorkService/ClaimWork", kWork},
    Right{Rpc::kClaimOrphans, "vigil.v1.WorkService/ClaimOrphans", kWork},
    Right{Rpc::kReleaseQuarantinedWork, "vigil.v1.WorkService/ReleaseQuarantinedWork", kOperate},
    Right{Rpc::kGetWork, "vigil.v1.WorkService/GetWork", kLookAtWork},
    Right{Rpc::kListWork, "vigil.v1.WorkService/ListWork", kLookAtWork}};

constexpr bool InOrder() {
  for (size_t i = 0; i < kRights.size(); ++i) {
    if (static_cast<size_t>(kRights[i].rpc) != i) return false;
  }
  return true;
}
static_assert(InOrder());

}  // namespace

std::optional<Role> RoleFrom(std::string_view name) {
  for (const auto& [role, known] : kRoles) {
    if (known == name) return role;
  }
  return std::nullopt;
}

std::string Names(Roles roles) {
  std::string names;
  for (const auto& [role, name] : kRoles) {
    if (!roles.Has(role)) continue;
    if (!names.empty()) names += ", ";
    names += name;
  }
  return names;
}

std::span<const Right> Rights() { return kRights; }

const Right& RightOf(Rpc rpc) { return kRights[static_cast<size_t>(rpc)]; }

}  // namespace vigil
