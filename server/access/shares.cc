#include "access/shares.h"

#include <map>
#include <mutex>
#include <utility>

#include "core/errors.h"

namespace vigil {
namespace {

struct Limit {
  std::string_view name;
  std::string_view reached;
};

// In the order of ShareOf.
constexpr Limit kLimits[] = {
    {"identity-openings", "this identity has as many streams without a pod as it may"},
    {"identity-sessions", "this identity has as many sessions on this coordinator as it may"},
    {"identity-subscriptions", "this identity has as many subscriptions here as it may"},
    {"identity-requests", "this identity has as many requests waiting as it may"}};

}  // namespace

struct Shares::Taken {
  std::mutex mutex;
  // Those of whom there are any. Guarded by mutex.
  std::map<std::pair<ShareOf, std::string>, size_t> counts;
};

Shares::Shares(const Most& most)
    : most_{most.openings, most.sessions, most.subscriptions, most.requests},
      taken_(std::make_shared<Taken>()) {}

Result<Share> Shares::Take(ShareOf what, std::string_view binding) {
  const auto index = static_cast<size_t>(what);
  const std::pair key(what, std::string(binding));
  {
    std::lock_guard lock(taken_->mutex);
    size_t& count = taken_->counts[key];
    if (count >= most_[index]) {
      if (count == 0) taken_->counts.erase(key);
      return Fail(LimitReached(kLimits[index].name, kLimits[index].reached));
    }
    ++count;
  }
  return Share(nullptr, [taken = taken_, key](const void*) {
    std::lock_guard lock(taken->mutex);
    const auto found = taken->counts.find(key);
    if (--found->second == 0) taken->counts.erase(found);
  });
}

}  // namespace vigil
