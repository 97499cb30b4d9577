// What the options of a runner say.
#pragma once

#include <optional>
#include <string>

#include "vigil/error.h"
#include "vigil/runner.h"
#include "vigil/work.h"

namespace vigil::client {

// Why they make no sense; nothing when they do.
std::optional<Error> FindMistake(const Runner::Options& options);

// Which orphans to ask for: of the kinds that have a function, unless one is for all.
WorkChoice ChoiceOf(const Runner::Options& options);

// Whether an item's kind is one of those. For what predecessors had, of which the labels are not
// known, and which was this name's already.
bool HasFunction(const Runner::Options& options, const WorkItem& item);

// What runs items of this kind; one that fails them when it is nobody's. Lives as long as the
// options.
const WorkFunction& FunctionFor(const Runner::Options& options, const std::string& kind);

// Why a submission is not taken.
Error NotTaken(bool stopping);

}  // namespace vigil::client
