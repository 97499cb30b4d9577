// Calls of work items that a store answers.
#pragma once

#include "linearizability/calls.h"
#include "store/store.h"

namespace vigil::linearizability {

// Carries the call out in this namespace; the end of an incarnation is no call of a store. What
// certainly changed nothing (DATABASE_UNAVAILABLE) has no answer worth keeping.
Answers Ask(Store& store, const std::string& ns, const Call& call);

}  // namespace vigil::linearizability
