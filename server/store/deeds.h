// How much items and pods remember of what was done with them, and how what was done is told.
#pragma once

#include <string>

#include "base/clock.h"
#include "store/records.h"

namespace vigil {

// How many ids of requests an item or a pod remembers, and an item of its former owners.   (P11)
inline constexpr size_t kRememberedRequests = 16;
inline constexpr size_t kRememberedOwners = 16;
// An ownership that lasted as long makes the adoptions before it forgotten: one with a checkpoint,
// which shows that the work went on, and one without.
inline constexpr Duration kLongOwnership = std::chrono::minutes(10);
inline constexpr Duration kLongIdleOwnership = std::chrono::hours(24);

// Stands among the ids of the item's requests, which have no spaces. By it a repetition is known,
// whatever has become of the item, and what others did is not taken for one.
inline std::string Deed(const std::string& what, const WorkHolder& holder) {
  return what + " as " + std::to_string(holder.incarnation.value) + " with " +
         std::to_string(holder.fence.value);
}

}  // namespace vigil
