#include "report.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <cmath>
#include <fstream>
#include <thread>
#include <utility>

#include "measuring.h"
#include "query.h"

namespace vigil::bench {
namespace {

constexpr pg::Statement kDescribeServer{
    "describe_server",
    "SELECT current_setting('server_version'), current_setting('fsync'),"
    "       current_setting('synchronous_commit')"};

std::string ProcessorName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

}  // namespace

Json Row(std::string name, double value, std::string unit, std::optional<double> target) {
  value = std::round(value * 1e3) / 1e3;
  Json row{{"name", std::move(name)}, {"value", value}, {"unit", std::move(unit)}};
  row["target"] = target ? Json(*target) : Json();
  row["met"] = target ? Json(value <= *target) : Json();
  return row;
}

Json RowAtLeast(std::string name, double value, std::string unit, std::optional<double> target) {
  Json row = Row(std::move(name), value, std::move(unit), target);
  if (target) row["met"] = row.at("value").get<double>() >= *target;
  return row;
}

void AddRanks(Json& rows, const std::string& name, const Summary& summary,
              const std::string& rank_with_target, std::optional<double> target) {
  const Json ranks = ToJson(summary);
  for (const auto& [rank, value] : ranks.items()) {
    rows.push_back(Row(fmt::format("{}_{}", name, rank), value.get<double>(), "ms",
                       rank == rank_with_target ? target : std::nullopt));
  }
}

void Figures::Add(const std::string& name, double value, const char* unit,
                  std::optional<double> target) {
  rows_.push_back(Row(round_ + "/" + name, value, unit, target));
}

void Figures::Compare(const std::string& name, double vigil, double raw, const char* unit,
                      std::optional<double> target) {
  Add(name, vigil, unit);
  Add("raw_" + name, raw, unit);
  Add(name + "_over_raw", raw > 0 ? vigil / raw : 0, "ratio", target);
}

std::string RowsTable(const Json& rows) {
  std::string table;
  for (const Json& row : rows) {
    table += fmt::format("{:<44} {:>12.2f} {}", row.at("name").get<std::string>(),
                         row.at("value").get<double>(), row.at("unit").get<std::string>());
    if (!row.at("target").is_null()) {
      table += fmt::format(" (target: {}, {})", row.at("target").get<double>(),
                           row.at("met").get<bool>() ? "met" : "not met");
    }
    table += '\n';
  }
  return table;
}

Result<Json> DescribePostgres(const pg::PrivateCluster& cluster) {
  const auto rows = Query(cluster.Conninfo(), kDescribeServer);
  if (!rows) return Fail(rows.error());
  pg::Row row = (*rows)[0];
  Json postgres;
  for (const char* field : {"version", "fsync", "synchronous_commit"}) postgres[field] = row.Text();
  if (postgres.at("fsync") == "on") return postgres;
  return Fail(Unmeasurable("fsync is off: a commit would cost nothing"));
}

Json WithPlace(Json report, Json postgres) {
  utsname kernel{};
  uname(&kernel);
  report["postgres"] = std::move(postgres);
  report["vigil"] = VIGIL_VERSION;
  report["machine"] = {{"cpus", std::thread::hardware_concurrency()},
                       {"processor", ProcessorName()},
                       {"kernel", kernel.release}};
  return report;
}

}  // namespace vigil::bench
