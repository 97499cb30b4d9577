#include "pod_crowd.h"

#include <fmt/format.h>

#include <csignal>
#include <sstream>
#include <utility>

#include "measuring.h"

namespace vigil::bench {
namespace {

// Thousands of registrations, each committed, on a machine that does other things, too.
constexpr Duration kJoinLimit = std::chrono::seconds(180);

std::istream& operator>>(std::istream& words, Duration& duration) {
  Duration::rep count = 0;
  words >> count;
  duration = Duration(count);
  return words;
}

std::istream& operator>>(std::istream& words, PodCrowd::Beats& beats) {
  return words >> beats.answered >> beats.took.min >> beats.took.p50 >> beats.took.p99 >>
         beats.took.max;
}

}  // namespace

Result<std::unique_ptr<PodCrowd>> PodCrowd::Join(const Options& options) {
  auto program = FindBuilt("vigil_bench_steady_pods");
  if (!program) return Fail(program.error());
  std::vector<std::string> command{*program, options.ns, std::to_string(options.pods),
                                   std::to_string(options.pods_per_connection),
                                   options.echo_address};
  command.insert(command.end(), options.addresses.begin(), options.addresses.end());
  auto process = Process::Spawn({.command = std::move(command)});
  if (!process) return Fail(process.error());
  std::unique_ptr<PodCrowd> crowd(new PodCrowd(std::move(*process)));
  const auto registered = AwaitWords(*crowd->process_, "registered ", kJoinLimit);
  if (!registered) return Fail(registered.error());
  crowd->registered_ = Duration(std::stoll(*registered));
  const auto joined = AwaitWords(*crowd->process_, "joined", kJoinLimit);
  if (!joined) return Fail(joined.error());
  return crowd;
}

Result<PodCrowd::Beaten> PodCrowd::Count() {
  process_->Signal(SIGUSR1);
  const auto line = AwaitWords(*process_, fmt::format("beaten {} ", ++reports_));
  if (!line) return Fail(line.error());
  std::istringstream words(*line);
  Beaten beaten;
  words >> beaten.latest >> beaten.unanswered >> beaten.vigil >> beaten.echo;
  return beaten;
}

Result<void> PodCrowd::LeaveInPeace(Duration peace) {
  return bench::LeaveInPeace(*process_, peace);
}

}  // namespace vigil::bench
