// Labels of pods and work items.
#pragma once

#include <algorithm>
#include <map>
#include <string>

namespace vigil {

using Labels = std::map<std::string, std::string>;

// Whether all of the wanted ones are there, with their values.
inline bool HasAll(const Labels& labels, const Labels& wanted) {
  return std::ranges::includes(labels, wanted);
}

}  // namespace vigil
