#include "rpc/bindings.h"

#include <utility>

#include "core/errors.h"

namespace vigil {
namespace {

constexpr size_t kMostKnown = 100'000;

Result<void> Judge(Incarnation incarnation, std::string_view binding,
                   const Permission& permission) {
  if (permission.Owns(binding)) return {};
  return Fail(IdentityMismatch(incarnation));
}

}  // namespace

std::optional<Result<void>> Bindings::Look(const std::string& ns, Incarnation incarnation,
                                           const Permission& permission) {
  if (permission.insecure || permission.operates) return Result<void>();
  std::lock_guard lock(mutex_);
  const auto found = known_.find({incarnation, ns});
  if (found == known_.end()) return std::nullopt;
  return Judge(incarnation, found->second, permission);
}

Result<void> Bindings::Check(Store& store, const std::string& ns, Incarnation incarnation,
                             const Permission& permission) {
  if (auto known = Look(ns, incarnation, permission)) return *known;
  auto binding = store.BindingOfPod(ns, incarnation);
  if (!binding) return Fail(std::move(binding.error()));
  {
    std::lock_guard lock(mutex_);
    if (known_.size() >= kMostKnown) known_.clear();
    known_.emplace(std::pair(incarnation, ns), *binding);
  }
  return Judge(incarnation, *binding, permission);
}

}  // namespace vigil
