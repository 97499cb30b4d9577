#include "measuring.h"

#include <algorithm>
#include <utility>

namespace vigil::bench {
namespace {

// What a process says last says why it ended; before that it may have said megabytes.
std::string EndOf(const std::string& transcript) {
  constexpr size_t kEnough = 2000;
  return transcript.substr(transcript.size() - std::min(transcript.size(), kEnough));
}

}  // namespace

Error Unmeasurable(std::string message) {
  return Error{.code = Code::kFailedPrecondition,
               .reason = "INTERNAL",
               .message = std::move(message),
               .hint = "See what it says; --log-level debug makes the coordinator say more."};
}

Result<std::string> AwaitWords(Process& process, const std::string& words, Duration within) {
  const auto line = process.AwaitLine(
      [&](const Process::Line& candidate) { return candidate.text.starts_with(words); }, within);
  if (line) return line->text.substr(words.size());
  return Fail(Unmeasurable("no '" + words + "' came: " + EndOf(process.Transcript())));
}

Result<void> LeaveInPeace(Process& process, Duration peace) {
  if (!process.AwaitEnd(peace)) return {};
  return Fail(Unmeasurable("a process ended by itself: " + EndOf(process.Transcript())));
}

}  // namespace vigil::bench
