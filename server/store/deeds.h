// How an item remembers what its holders did that gave it up.
#pragma once

#include <string>

#include "store/records.h"

namespace vigil {

// Stands among the ids of the item's requests, which have no spaces. By it a repetition is known,
// whatever has become of the item, and what others did is not taken for one.
inline std::string Deed(const std::string& what, const WorkHolder& holder) {
  return what + " as " + std::to_string(holder.incarnation.value) + " with " +
         std::to_string(holder.fence.value);
}

}  // namespace vigil
