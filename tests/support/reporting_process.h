// A process that says what it does as one JSON object a line.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "support/process.h"

namespace vigil {

using Json = nlohmann::json;

// A line of `vigil -o json run`, or of a program that talks like it: the field `event` says what
// happened, `at_ns` when (CLOCK_BOOTTIME, so that reports of several processes can be compared).
struct Report {
  std::string event;
  Json fields;

  // Zero, or empty, when there is none.
  uint64_t Number(const char* field) const;
  std::string Text(const char* field) const;
  // When the field `at_ns`, or another one of its kind, says.
  Instant At(const char* field = "at_ns") const;
};

// The line as a report, unless it is none.
std::optional<Report> ReadReport(const Process::Line& line);

// Owns the process. Thread safety: as Process.
class ReportingProcess {
 public:
  static Result<std::unique_ptr<ReportingProcess>> Spawn(Process::Options options);

  Process& process() { return *process_; }

  using Match = std::function<bool(const Report&)>;
  // The first report that matches, waited for. Nothing when none came within this time.
  std::optional<Report> Await(const Match& matches, Duration within);
  std::optional<Report> Await(std::string_view event, Duration within);

  // All that have come, of one kind.
  std::vector<Report> Reports(std::string_view event) const;

 private:
  explicit ReportingProcess(std::unique_ptr<Process> process) : process_(std::move(process)) {}

  const std::unique_ptr<Process> process_;
};

}  // namespace vigil
