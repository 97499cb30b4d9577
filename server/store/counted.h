// What the store tells for people to count: no decision rests on it.
#pragma once

#include <cstdint>
#include <functional>

#include "base/clock.h"
#include "core/types.h"

namespace vigil {

// Told after a commit that ended a suspicion without a death: how long that had stood, by the
// database's wall clock.
using TellRefuted = std::function<void(Duration stood)>;

// No more orphans than this are counted, and no more quarantined items.   (P11)
inline constexpr uint32_t kMostWaiting = 10000;

// Work that waits for somebody, in all namespaces.
struct WaitingWork {
  // Orphans, by policy.
  uint64_t compete = 0;
  uint64_t assign = 0;
  uint64_t sticky = 0;
  // How long ago the owner ended that ended first; zero without an orphan.
  Duration oldest{};
  uint64_t quarantined = 0;
  bool operator==(const WaitingWork&) const = default;
};

inline uint64_t& CountOf(WaitingWork& waiting, RecoveryPolicy policy) {
  switch (policy) {
    case RecoveryPolicy::kAssign:
      return waiting.assign;
    case RecoveryPolicy::kSticky:
      return waiting.sticky;
    case RecoveryPolicy::kCompete:
      break;
  }
  return waiting.compete;
}

}  // namespace vigil
