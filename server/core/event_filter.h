// Which events of a log a subscriber wants.
#pragma once

#include <map>
#include <set>
#include <string>

#include "base/error.h"
#include "core/types.h"

namespace vigil {

// Empty, it passes everything.
struct EventFilter {
  // Of one of these kinds; of any when empty.
  std::set<EventKind> kinds;
  // Of a pod that has all of these labels.
  std::map<std::string, std::string> pod_labels;

  auto operator<=>(const EventFilter&) const = default;
  bool empty() const { return kinds.empty() && pod_labels.empty(); }

  bool Passes(const Event& event) const;
  bool Passes(const Pod& pod) const;
};

// Error INVALID_FIELD: labels beyond their bounds.   (P11)
Result<void> CheckFilter(const EventFilter& filter);

}  // namespace vigil
