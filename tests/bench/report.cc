#include "report.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <cmath>
#include <fstream>
#include <thread>
#include <utility>

#include "measuring.h"
#include "pg/connection.h"
#include "support/process.h"

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
  const Instant deadline = Now() + kStartLimit;
  auto connection = pg::Connection::Open({.conninfo = cluster.Conninfo()}, deadline);
  if (!connection) return Fail(connection.error().error);
  auto rows =
      (*connection)->Execute({.steps = {{&kDescribeServer, {}}}, .changes = false}, deadline);
  if (!rows) return Fail(rows.error().error);
  pg::Row row = (*rows)[0][0];
  Json postgres;
  for (const char* field : {"version", "fsync", "synchronous_commit"}) postgres[field] = row.Text();
  if (postgres.at("fsync") == "on") return postgres;
  return Fail(Unmeasurable("fsync is off: a commit would cost nothing"));
}

Json DescribeMachine() {
  utsname kernel{};
  uname(&kernel);
  return {{"cpus", std::thread::hardware_concurrency()},
          {"processor", ProcessorName()},
          {"kernel", kernel.release}};
}

}  // namespace vigil::bench
