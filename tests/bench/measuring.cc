#include "measuring.h"

#include <utility>

namespace vigil::bench {

Error Unmeasurable(std::string message) {
  return Error{.code = Code::kFailedPrecondition,
               .reason = "INTERNAL",
               .message = std::move(message),
               .hint = "See what it says; --log-level debug makes the coordinator say more."};
}

Result<std::string> AwaitWords(Process& process, const std::string& words) {
  const auto line = process.AwaitLine(
      [&](const Process::Line& candidate) { return candidate.text.starts_with(words); },
      kStartLimit);
  if (line) return line->text.substr(words.size());
  return Fail(Unmeasurable("no '" + words + "' came: " + process.Transcript()));
}

Result<void> LeaveInPeace(Process& process, Duration peace) {
  if (!process.AwaitEnd(peace)) return {};
  return Fail(Unmeasurable("a process ended by itself: " + process.Transcript()));
}

}  // namespace vigil::bench
