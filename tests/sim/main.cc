// ./dev sim: runs the simulation for many seeds; on a violation, what it takes to see it again.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <deque>
#include <optional>
#include <string>

#include "base/log.h"
#include "sim/simulation.h"

namespace vigil::sim {
namespace {

constexpr size_t kLinesOfTrace = 60;

std::optional<Violation> PrintRun(const Plan& plan, bool whole) {
  std::deque<std::string> lines;
  Simulation simulation(plan, [&](const std::string& line) {
    if (whole) {
      std::printf("  %s\n", line.c_str());
      return;
    }
    lines.push_back(line);
    if (lines.size() > kLinesOfTrace) lines.pop_front();
  });
  auto violation = simulation.Run();
  for (const std::string& line : lines) std::printf("  %s\n", line.c_str());
  if (!violation) return std::nullopt;
  const double at = std::chrono::duration<double>(violation->at).count();
  std::printf("  %8.3f s  VIOLATION of %s: %s\n", at, violation->promise.c_str(),
              violation->what.c_str());
  return violation;
}

void PrintFailure(const Plan& plan, const Violation& violation) {
  const Plan small = Minimised(plan, violation.promise);
  std::printf("\nseed %llu breaks %s: %s\n", static_cast<unsigned long long>(plan.seed),
              violation.promise.c_str(), violation.what.c_str());
  std::printf("%zu of its %zu faults are enough:\n", small.faults.size(), plan.faults.size());
  for (const Fault& fault : small.faults) std::printf("  %s\n", Describe(fault).c_str());
  std::printf("the end of that run:\n");
  PrintRun(small, false);
  std::printf("again: ./dev sim --seeds 1 --seed %llu\n",
              static_cast<unsigned long long>(plan.seed));
}

int Run(uint64_t first, uint64_t count, bool trace) {
  const bool screen = isatty(STDOUT_FILENO) != 0;
  const SystemClock clock;
  const Instant began = clock.Now();
  const auto seconds = [&] { return std::chrono::duration<double>(clock.Now() - began).count(); };
  for (uint64_t seed = first; seed < first + count; ++seed) {
    const Plan plan = PlanFor(seed);
    const auto violation = trace ? PrintRun(plan, true) : Simulation(plan).Run();
    if (violation) {
      PrintFailure(plan, *violation);
      return 1;
    }
    const uint64_t done = seed - first + 1;
    if (done % (screen ? 100 : 1000) != 0 && done != count) continue;
    std::printf("%s%llu of %llu seeds in %.1f s, nothing found%s", screen ? "\r" : "",
                static_cast<unsigned long long>(done), static_cast<unsigned long long>(count),
                seconds(), screen && done != count ? "" : "\n");
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace vigil::sim

int main(int argc, char** argv) {
  CLI::App app{"Runs the real coordinators and the real rules of leases in a simulated world."};
  uint64_t seeds = 1000;
  uint64_t seed = 1;
  bool trace = false;
  bool logs = false;
  app.add_option("--seeds", seeds, "How many")->capture_default_str();
  app.add_option("--seed", seed, "The first of them")->capture_default_str();
  app.add_flag("--trace", trace, "Print every run");
  app.add_flag("--logs", logs, "Print what the coordinators log, too");
  CLI11_PARSE(app, argc, argv);
  using vigil::log::Level;
  vigil::log::SetUp(vigil::log::Format::kText, logs ? Level::kDebug : Level::kNothing);
  return vigil::sim::Run(seed, seeds, trace);
}
