#include "moving_pods.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <sstream>

#include "measuring.h"

namespace vigil::bench {
namespace {

constexpr int kProcesses = 4;
// Two thousand pods take some seconds.
constexpr Duration kRegistrationLimit = std::chrono::seconds(60);
// Beyond this they will not come: their leases have ended long ago.
constexpr Duration kMoveLimit = std::chrono::seconds(30);

}  // namespace

Result<std::unique_ptr<MovingPods>> MovingPods::Start(const VigilCluster& cluster, int pods) {
  auto program = FindBuilt("vigil_bench_moving_pods");
  if (!program) return Fail(program.error());
  std::unique_ptr<MovingPods> moving(new MovingPods());
  moving->pods_ = pods;
  for (int process = 0; process < kProcesses; ++process) {
    const int first = pods * process / kProcesses;
    const int count = pods * (process + 1) / kProcesses - first;
    auto spawned = Process::Spawn(
        {.command = {*program, fmt::format("{}", fmt::join(cluster.Addresses(), ",")), "moving",
                     std::to_string(first), std::to_string(count)},
         .on_line = [&moving = *moving](const Process::Line& line) { moving.Hear(line.text); }});
    if (!spawned) return Fail(spawned.error());
    moving->processes_.push_back(std::move(*spawned));
  }
  for (const auto& process : moving->processes_) {
    if (auto ready = AwaitWords(*process, "ready", kRegistrationLimit); !ready) {
      return Fail(ready.error());
    }
  }
  return moving;
}

void MovingPods::Hear(const std::string& line) {
  std::istringstream words(line);
  std::string what;
  int pod = 0;
  uint64_t coordinator = 0;
  Duration::rep since = 0;
  words >> what >> pod >> coordinator >> since;
  if (what != "hosted" && what != "lost") return;
  {
    std::lock_guard lock(mutex_);
    if (what == "lost") {
      ++lost_;
    } else if (Hosted& hosted = hosted_[pod]; hosted.by.value() != coordinator) {
      hosted = {client::CoordinatorNumber(coordinator), Instant(Duration(since))};
    }
  }
  changed_.notify_all();
}

Result<std::vector<Instant>> MovingPods::AwaitHostedBy(client::CoordinatorNumber coordinator) {
  std::unique_lock lock(mutex_);
  const auto there = [&] {
    return std::ranges::count_if(hosted_,
                                 [&](const auto& entry) { return entry.second.by == coordinator; });
  };
  if (!changed_.wait_for(lock, kMoveLimit, [&] { return there() + lost_ == pods_; })) {
    return Fail(Unmeasurable(fmt::format("{} of {} pods came to coordinator {}, and {} are LOST",
                                         there(), pods_, coordinator.value(), lost_)));
  }
  std::vector<Instant> since;
  for (const auto& [pod, hosted] : hosted_) {
    if (hosted.by == coordinator) since.push_back(hosted.since);
  }
  return since;
}

Result<void> MovingPods::LeaveInPeace(Duration peace) {
  for (const auto& process : processes_) {
    if (auto lived = bench::LeaveInPeace(*process, peace / kProcesses); !lived) return lived;
  }
  return {};
}

int MovingPods::lost() const {
  std::lock_guard lock(mutex_);
  return lost_;
}

}  // namespace vigil::bench
