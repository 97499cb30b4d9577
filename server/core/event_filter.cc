#include "core/event_filter.h"

#include "core/labels.h"
#include "core/validate.h"

namespace vigil {

bool EventFilter::Passes(const Event& event) const {
  return (kinds.empty() || kinds.contains(event.kind)) && HasAll(event.pod_labels, pod_labels);
}

bool EventFilter::Passes(const Pod& pod) const { return HasAll(pod.labels, pod_labels); }

Result<void> CheckFilter(const EventFilter& filter) { return CheckLabels(filter.pod_labels); }

}  // namespace vigil
