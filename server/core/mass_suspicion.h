// Holds verdicts back when weak evidence speaks against too many pods at once.
//
// One free lock is most likely one death. When most of the locks are free, it is more likely that
// something the pods share has failed: their verdicts wait for one more grace, in which the pods
// may come back and people hear of it. All suspicions that stand count, not only those that are
// due, since pods with different leases fall due one after another. Rejected: to end the hold when
// the mass has shrunk, since that is the very moment at which the pods are coming back.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "core/suspicion.h"

namespace vigil {

// A mass is more than `pods` suspicions that are also more than `share_percent` of the living pods.
struct MassLimits {
  // The loss of one coordinator of two with all its pods is half of them, and no mass.
  int share_percent = 50;
  uint64_t pods = 5;

  bool Exceeded(uint64_t suspicions, uint64_t living) const {
    return suspicions > pods && suspicions * 100 > static_cast<uint64_t>(share_percent) * living;
  }
};

// Invariants:
//  1. A suspicion that falls due outside of a mass, or was held, is carried out: each is held at
//  most once, for one grace, whatever joins the mass later.   (P2)
//  2. What is not due any more is forgotten, and would be held anew.   (P10)
template <typename Key>
class MassHold {
 public:
  struct Ruling {
    std::vector<Key> carried_out;
    size_t held = 0;
    // Until the last of those that are held is carried out.
    Duration longest{};
    // The hold begins: nothing was held before.
    bool begins = false;
  };

  explicit MassHold(MassLimits limits) : limits_(limits) {}

  // Takes those that are due now, with how many stand among how many living pods.
  Ruling Weigh(const std::vector<Standing<Key>>& due, uint64_t suspicions, uint64_t living,
               Instant now) {
    const bool mass = limits_.Exceeded(suspicions, living);
    Ruling ruling;
    std::unordered_map<Key, Instant> still;
    for (const auto& [key, grace] : due) {
      const auto known = held_until_.find(key);
      if (known == held_until_.end() && !mass) {
        ruling.carried_out.push_back(key);
        continue;
      }
      const Instant until = known == held_until_.end() ? now + grace : known->second;
      still.emplace(key, until);
      if (now >= until) {
        ruling.carried_out.push_back(key);
      } else {
        ++ruling.held;
        ruling.longest = std::max(ruling.longest, until - now);
      }
    }
    ruling.begins = held_until_.empty() && ruling.held > 0;
    held_until_ = std::move(still);
    return ruling;
  }

 private:
  const MassLimits limits_;
  std::unordered_map<Key, Instant> held_until_;
};

}  // namespace vigil
