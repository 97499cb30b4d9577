// What an examination has found: a line each.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace vigil {

enum class Grade { kOk, kWarning, kError };

struct Finding {
  // One word: what was looked at.
  std::string_view check;
  Grade grade = Grade::kOk;
  // One sentence. Never a secret.
  std::string message;
  // What to do; empty when there is nothing.
  std::string hint;
};

class Findings {
 public:
  void Ok(std::string_view check, std::string message) {
    all_.push_back({check, Grade::kOk, std::move(message), ""});
  }
  void Warn(std::string_view check, std::string message, std::string hint) {
    all_.push_back({check, Grade::kWarning, std::move(message), std::move(hint)});
  }
  void Fail(std::string_view check, std::string message, std::string hint) {
    all_.push_back({check, Grade::kError, std::move(message), std::move(hint)});
  }
  void Fail(std::string_view check, const Error& error) { Fail(check, error.message, error.hint); }

  const std::vector<Finding>& all() const { return all_; }

 private:
  std::vector<Finding> all_;
};

}  // namespace vigil
