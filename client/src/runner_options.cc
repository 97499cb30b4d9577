#include "runner_options.h"

#include <algorithm>
#include <string_view>

#include "own_error.h"

namespace vigil::client {
namespace {

constexpr std::uint32_t kMostAtOnce = 1000;
constexpr std::size_t kMostKinds = 32;

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
  }
  if (options.poll_interval <= Duration::zero())
    return mistake("the poll interval of a runner must be positive");
  return std::nullopt;
}

WorkChoice ChoiceOf(const Runner::Options& options) {
  WorkChoice choice{.labels = options.labels};
  if (options.functions.contains("")) return choice;
  for (const auto& [kind, function] : options.functions) choice.kinds.push_back(kind);
  return choice;
}

bool Chooses(const Runner::Options& options, const WorkItem& item) {
  if (!options.functions.contains("") && !options.functions.contains(item.traits.kind))
    return false;
  return std::all_of(options.labels.begin(), options.labels.end(), [&item](const auto& label) {
    const auto found = item.traits.labels.find(label.first);
    return found != item.traits.labels.end() && found->second == label.second;
  });
}

const WorkFunction& FunctionFor(const Runner::Options& options, const std::string& kind) {
  static const WorkFunction none = RefuseKind;
  const auto found = options.functions.find(kind);
  if (found != options.functions.end()) return found->second;
  const auto any = options.functions.find("");
  return any == options.functions.end() ? none : any->second;
}

Error NotTaken(bool stopping) {
  return stopping ? MakeError(Code::kCancelled, "the runner stops", "Submit it elsewhere.")
                  : MakeError(Code::kResourceExhausted, "10,000 items wait to run here",
                              "Submit it later, or elsewhere.");
}

}  // namespace vigil::client
