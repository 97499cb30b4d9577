// The keys of our advisory locks: one bigint, of which the upper 16 bits are a tag of ours and the
// lower 48 the number. Nothing is hashed, so no two of our locks share a key; the tags keep them
// apart from those of others in the same database.
#pragma once

#include <cstdint>

#include "store/database.h"

namespace vigil {

// The key of number 0 of each kind; a number's key is this plus the number.
inline constexpr int64_t kCoordinatorKeys = int64_t{0x5643} << 48;  // "VC"
inline constexpr int64_t kSessionKeys = int64_t{0x5653} << 48;      // "VS"

inline constexpr int64_t KeyOf(LockKey key) {
  return (key.kind == LockKind::kCoordinator ? kCoordinatorKeys : kSessionKeys) +
         static_cast<int64_t>(key.number);
}

}  // namespace vigil
