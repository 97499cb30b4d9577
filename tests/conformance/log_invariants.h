// What must hold of every event log, whatever was done, and of the tables beside it.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/types.h"

namespace vigil {

// Claims of a log that were transfers: the item's key, and the fence that its new owner was given.
// The log does not tell them apart.
using Transfers = std::set<std::pair<std::string, Fence>>;

// Replays a whole log, from its first event. Returns a sentence for each violation of these:
//
//  1. The numbers are contiguous, and `transaction_end` is the last number of its transaction. (P4)
//  2. An incarnation registers first and once, ends at most once, and does nothing after that. (P2)
//  3. At most one incarnation of a name lives at a time.
//  4. Only a SUSPECT pod is refuted.
//  5. An item is claimed only from an incarnation that has ended, or from none, unless one that
//  lives has transferred it; by one that lives. (P6)
//  6. The fence of an item grows with every claim, and nothing follows its completion, or its
//  quarantine but its release. (P5)
//  7. At the end, every pod and item is what the log says it is. (P3)
std::vector<std::string> LogViolations(const std::vector<Event>& events,
                                       const std::vector<Pod>& pods,
                                       const std::vector<WorkItem>& items,
                                       const Transfers& transfers);

}  // namespace vigil
