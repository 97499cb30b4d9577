#include "support/reporting_process.h"

#include <utility>

namespace vigil {

uint64_t Report::Number(const char* field) const {
  const auto found = fields.find(field);
  return found != fields.end() && found->is_number() ? found->get<uint64_t>() : 0;
}

std::string Report::Text(const char* field) const {
  const auto found = fields.find(field);
  return found != fields.end() && found->is_string() ? found->get<std::string>() : "";
}

Instant Report::At(const char* field) const {
  return Instant(Duration(static_cast<Duration::rep>(Number(field))));
}

std::optional<Report> ReadReport(const Process::Line& line) {
  if (!line.text.starts_with('{')) return std::nullopt;
  Report report{"", Json::parse(line.text, nullptr, /*allow_exceptions=*/false)};
  if (!report.fields.is_object()) return std::nullopt;
  report.event = report.Text("event");
  if (report.event.empty()) return std::nullopt;
  return report;
}

Result<std::unique_ptr<ReportingProcess>> ReportingProcess::Spawn(Process::Options options) {
  auto process = Process::Spawn(std::move(options));
  if (!process) return Fail(process.error());
  return std::unique_ptr<ReportingProcess>(new ReportingProcess(std::move(*process)));
}

std::optional<Report> ReportingProcess::Await(const Match& matches, Duration within) {
  const auto line = process_->AwaitLine(
      [&](const Process::Line& candidate) {
        const auto report = ReadReport(candidate);
        return report && matches(*report);
      },
      within);
  return line ? ReadReport(*line) : std::nullopt;
}

std::optional<Report> ReportingProcess::Await(std::string_view event, Duration within) {
  return Await([event](const Report& report) { return report.event == event; }, within);
}

std::vector<Report> ReportingProcess::Reports(std::string_view event) const {
  std::vector<Report> reports;
  for (const Process::Line& line : process_->Lines()) {
    auto report = ReadReport(line);
    if (report && report->event == event) reports.push_back(std::move(*report));
  }
  return reports;
}

}  // namespace vigil
