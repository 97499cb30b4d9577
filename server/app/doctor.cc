#include "app/doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "app/doctor_database.h"
#include "app/doctor_machine.h"
#include "app/finding.h"
#include "base/log.h"

namespace vigil {
namespace {

using Json = nlohmann::ordered_json;

const char* NameOf(Grade grade) {
  static constexpr const char* kNames[] = {"ok", "warning", "error"};
  return kNames[static_cast<int>(grade)];
}

int64_t Count(const Findings& findings, Grade grade) {
  return std::ranges::count(findings.all(), grade, &Finding::grade);
}

// One finding is one line, whatever the database said.
std::string OneLine(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return text;
}

void PrintText(const Findings& findings) {
  for (const Finding& finding : findings.all()) {
    fmt::print("{:<8} {:<11}  {}\n", NameOf(finding.grade), finding.check,
               OneLine(finding.message));
    if (!finding.hint.empty()) fmt::print("{:<8} {:<11}  -> {}\n", "", "", OneLine(finding.hint));
  }
  fmt::print("{} error(s), {} warning(s)\n", Count(findings, Grade::kError),
             Count(findings, Grade::kWarning));
}

void PrintJson(const Findings& findings) {
  Json list = Json::array();
  for (const Finding& finding : findings.all()) {
    Json json{{"check", finding.check},
              {"grade", NameOf(finding.grade)},
              {"message", OneLine(finding.message)}};
    if (!finding.hint.empty()) json["hint"] = OneLine(finding.hint);
    list.push_back(std::move(json));
  }
  const Json all{{"ok", Count(findings, Grade::kError) == 0}, {"findings", std::move(list)}};
  fmt::print("{}\n", all.dump(2, ' ', false, Json::error_handler_t::replace));
}

}  // namespace

int Diagnose(const Config& config, DoctorOutput output) {
  log::SetUp(config.log_format, log::Level::kNothing);
  Findings findings;
  DiagnoseTiming(config, findings);
  DiagnoseAccess(config, findings);
  DiagnosePorts(config, findings);
  DiagnoseFiles(config, findings);
  if (config.database.empty()) {
    findings.Fail("connection", "no database is set",
                  "Set VIGIL_DATABASE, for example to 'host=127.0.0.1 dbname=vigil user=vigil'.");
  } else {
    DiagnoseDatabase(config, findings);
  }
  if (output == DoctorOutput::kJson) {
    PrintJson(findings);
  } else {
    PrintText(findings);
  }
  return Count(findings, Grade::kError) == 0 ? 0 : 1;
}

}  // namespace vigil
