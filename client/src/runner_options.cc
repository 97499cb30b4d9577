#include "runner_options.h"

#include <string_view>

#include "own_error.h"
#include "runner_rules.h"

namespace vigil::client {
namespace {

constexpr std::uint32_t kMostAtOnce = 1000;
constexpr std::size_t kMostKinds = 32;
constexpr std::size_t kLongestKind = 63;
constexpr std::size_t kMostLabels = 32;
constexpr std::size_t kLongestLabelKey = 63;
constexpr std::size_t kLongestLabelValue = 255;
constexpr Duration kShortestPoll = std::chrono::milliseconds(100);
constexpr Duration kLongestPoll = std::chrono::hours(24);

bool IsKind(std::string_view text) {
  return text.size() <= kLongestKind && text.front() != '-' && text.back() != '-' &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos;
}

TaskResult RefuseKind(const Task& task) {
  return Failed{"this pod has no function for the kind \"" + task.item().traits.kind + "\""};
}

}  // namespace

std::optional<Error> FindMistake(const Runner::Options& options) {
  const auto mistake = [](std::string_view message) {
    return MakeError(Code::kInvalidArgument, message, "Correct the options of the runner.");
  };
  if (options.concurrency < 1 || options.concurrency > kMostAtOnce)
    return mistake("the concurrency of a runner is 1 to 1,000");
  if (options.functions.empty() || options.functions.size() > kMostKinds)
    return mistake("a runner has functions for 1 to 32 kinds");
  for (const auto& [kind, function] : options.functions) {
    if (!function) return mistake("the function of a kind is empty");
    if (!kind.empty() && !IsKind(kind))
      return mistake("a kind is at most 63 of a-z, 0-9 and '-', not at an end");
  }
  if (options.labels.size() > kMostLabels) return mistake("a runner chooses by at most 32 labels");
  for (const auto& [key, value] : options.labels) {
    if (key.empty() || key.size() > kLongestLabelKey || value.size() > kLongestLabelValue)
      return mistake("a label's key has 1 to 63 bytes, its value at most 255");
  }
  if (options.poll_interval < kShortestPoll || options.poll_interval > kLongestPoll)
    return mistake("the poll interval of a runner is 100 ms to a day");
  if (options.failure_pause < Duration::zero() ||
      options.failure_pause > RunnerRules::kLongestFailurePause)
    return mistake("the pause of a runner after a failure is 0 s to 1 min");
  return std::nullopt;
}

WorkChoice ChoiceOf(const Runner::Options& options) {
  WorkChoice choice{.labels = options.labels};
  if (options.functions.contains("")) return choice;
  for (const auto& [kind, function] : options.functions) choice.kinds.push_back(kind);
  return choice;
}

bool HasFunction(const Runner::Options& options, const WorkItem& item) {
  return options.functions.contains("") || options.functions.contains(item.traits.kind);
}

const WorkFunction& FunctionFor(const Runner::Options& options, const std::string& kind) {
  static const WorkFunction none = RefuseKind;
  const auto found = options.functions.find(kind);
  if (found != options.functions.end()) return found->second;
  const auto any = options.functions.find("");
  return any == options.functions.end() ? none : any->second;
}

Error NotTaken(bool stopping) {
  return stopping
             ? MakeError(Code::kCancelled, "the runner stops", "Submit it elsewhere.")
             : MakeError(Code::kResourceExhausted, "10,000 items wait to run, or are kept, here",
                         "Submit it later, or elsewhere.");
}

}  // namespace vigil::client
