// Calls of work items through the client library, and how a process tells of them that may be
// killed at any moment.
#pragma once

#include <nlohmann/json.hpp>

#include "linearizability/calls.h"
#include "vigil/work.h"

namespace vigil::linearizability {

// Carries the call out; the end of an incarnation is no call. The library repeats what got no
// answer. What is no refusal of the item is not known.
Answers Ask(const client::Work& work, const Call& call);

// One line for the call, before it is made, and one for what it brought.
nlohmann::json ToJson(const Call& call);
Call CallFrom(const nlohmann::json& object);
nlohmann::json ToJson(const Answers& answers);
Answers AnswersFrom(const nlohmann::json& object);

}  // namespace vigil::linearizability
