#include "core/event_filter.h"

#include <algorithm>

#include "core/validate.h"

namespace vigil {
namespace {

using Labels = std::map<std::string, std::string>;

bool HasAll(const Labels& labels, const Labels& wanted) {
  return std::ranges::includes(labels, wanted);
}

}  // namespace

bool EventFilter::Passes(const Event& event) const {
  return (kinds.empty() || kinds.contains(event.kind)) && HasAll(event.pod_labels, pod_labels);
}

bool EventFilter::Passes(const Pod& pod) const { return HasAll(pod.labels, pod_labels); }

Result<void> CheckFilter(const EventFilter& filter) { return CheckLabels(filter.pod_labels); }

}  // namespace vigil
