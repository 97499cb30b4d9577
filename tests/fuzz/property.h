// What must hold for every input.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "base/error.h"

namespace vigil {

// Ends the run, so that libFuzzer keeps the input.
inline void Require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "broken property: %s\n", property);
  std::abort();
}

// A text that ends where its memory ends, so that a look beyond it is found.
class ExactText {
 public:
  explicit ExactText(std::string_view text)
      : bytes_(std::make_unique<char[]>(text.size())), size_(text.size()) {
    std::ranges::copy(text, bytes_.get());
  }
  std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  const std::unique_ptr<char[]> bytes_;
  const size_t size_;
};

// A refusal is one of those that the contract names, and says what to do.
inline void RequireRefusal(const Error& error) {
  Require(error.code == Code::kInvalidArgument, "what is malformed is INVALID_ARGUMENT");
  Require(error.reason == "INVALID_FIELD" || error.reason == "INVALID_CURSOR" ||
              error.reason == "PROTOCOL_VIOLATION",
          "a refusal has the reason that the contract names");
  Require(!error.message.empty() && !error.hint.empty(), "a refusal has a sentence and a hint");
}

}  // namespace vigil
