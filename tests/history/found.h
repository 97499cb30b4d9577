// What validators share: their sentences, and what they ask of the log.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

#include "core/errors.h"
#include "history/validators.h"

namespace vigil::history {

// The first few sentences, as many as people read.
class Found {
 public:
  template <typename... Values>
  void Add(fmt::format_string<Values...> sentence, Values&&... values) {
    if (violations_.size() == kMostSentences) return;
    violations_.push_back(fmt::format(sentence, std::forward<Values>(values)...));
  }
  Violations Take() { return std::move(violations_); }

 private:
  static constexpr size_t kMostSentences = 10;
  Violations violations_;
};

inline std::string Text(const Reference& reference, Seq seq) {
  const Event* event = reference.At(seq);
  if (!event) return fmt::format("event {}", seq.value);
  return fmt::format("event {} ({} {})", seq.value, Name(event->kind), event->pod_name);
}

// Whether the log has another event there.
inline bool Contradicts(const Reference& reference, Position position) {
  const Event* event = reference.At(position.seq);
  return event && event->mark && position.mark && event->mark != position.mark;
}

inline Seq HeadOf(const Reference& reference) {
  return reference.log.empty() ? Seq{} : reference.log.back().seq;
}

}  // namespace vigil::history
