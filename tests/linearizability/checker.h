// Whether callers of work items were answered as if each item did one call after another.   (P5,
// P6)
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "linearizability/calls.h"
#include "linearizability/search.h"

namespace vigil::linearizability {

// How many configurations are looked at for one item, unless the test says otherwise.
inline constexpr size_t kMostConfigurations = 200'000;

struct Judgement {
  Verdict verdict = Verdict::kTooLarge;
  size_t looked_at = 0;
  // Of what is not linearizable: the shortest beginning of the history that is not, how far an
  // order of its calls explains its answers, and which answers cannot come next.
  std::string explanation;
};

// Judges one item. The order of changes of different items is for the log's own checks.
Judgement Judge(const History& history, const std::string& key, size_t most = kMostConfigurations);

// Judges every item of the history. A sentence for each one that is not linearizable, or is too
// large to be judged.
std::vector<std::string> Contradictions(const History& history, size_t most = kMostConfigurations);

}  // namespace vigil::linearizability
