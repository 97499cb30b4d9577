// What must hold for every input.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "base/error.h"

namespace vigil {

// Ends the run, so that libFuzzer keeps the input.
inline void Require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "broken property: %s\n", property);
  std::abort();
}

// A refusal is one of those that the contract names, and says what to do.
inline void RequireRefusal(const Error& error) {
  Require(error.code == Code::kInvalidArgument, "what is malformed is INVALID_ARGUMENT");
  Require(error.reason == "INVALID_FIELD" || error.reason == "INVALID_CURSOR" ||
              error.reason == "PROTOCOL_VIOLATION",
          "a refusal has the reason that the contract names");
  Require(!error.message.empty() && !error.hint.empty(), "a refusal has a sentence and a hint");
}

}  // namespace vigil
