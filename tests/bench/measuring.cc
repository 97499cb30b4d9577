#include "measuring.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <random>
#include <utility>

namespace vigil::bench {
namespace {

// What a process says last says why it ended; before that it may have said megabytes.
std::string EndOf(const std::string& transcript) {
  constexpr size_t kEnough = 2000;
  return transcript.substr(transcript.size() - std::min(transcript.size(), kEnough));
}

// What a process has open beside its connections.
constexpr rlim_t kOtherFiles = 500;

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

Duration RandomPeace(Duration shortest, Duration longest) {
  std::random_device random;
  return Duration(
      std::uniform_int_distribution<Duration::rep>(shortest.count(), longest.count())(random));
}

Result<void> AllowConnections(int connections) {
  const rlim_t needed = static_cast<rlim_t>(connections) + kOtherFiles;
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= needed) return {};
  limit.rlim_cur = needed;
  limit.rlim_max = std::max(limit.rlim_max, needed);
  if (setrlimit(RLIMIT_NOFILE, &limit) == 0) return {};
  return Fail(Error{
      .code = Code::kFailedPrecondition,
      .reason = "INTERNAL",
      .message = fmt::format("{} connections need {} open files in a process", connections, needed),
      .hint = fmt::format("Allow them (ulimit -Hn {}), or measure with fewer.", needed)});
}

Result<void> LeaveInPeace(Process& process, Duration peace) {
  if (!process.AwaitEnd(peace)) return {};
  return Fail(Unmeasurable("a process ended by itself: " + EndOf(process.Transcript())));
}

}  // namespace vigil::bench
