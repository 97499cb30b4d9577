#include "pgbench.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <cctype>
#include <fstream>
#include <memory>
#include <utility>
#include <vector>

#include "measuring.h"
#include "pg/connecting.h"
#include "pg/connection.h"
#include "store/postgres/work_claims.h"
#include "support/process.h"

namespace vigil::bench {
namespace {

// Of the store's statements, as far as it is a setting of their session.
constexpr Duration kStatementLimit = std::chrono::seconds(5);
constexpr Duration kRunLimit = std::chrono::seconds(300);

// The steps of a claim of client :client_id, number :n.
constexpr auto kPlan =
    "\\set n :n + 1\n"
    "\\set key :first_key + :client_id * :key_stride + :n\n"
    "\\set claimant :first_claimant + :client_id\n"
    "\\set owner :first_owner + :client_id * :owner_stride\n";

// A claim whose values are recognized in what becomes of it.
const WorkClaim kSample{.ns = "sample-namespace",
                        .key = "sample-key",
                        .claimant = {1'000'001},
                        .expected_owner = {1'000'002},
                        .expected_fence = {1'000'003}};

constexpr pg::Statement kDescribeParam{
    "describe_param", "SELECT quote_literal($1::text), pg_typeof($1)::text", /*once=*/true};

// What pgbench is to put there: the variable that has the value in every claim, or the value.
Result<std::string> ArgumentFor(pg::Connection& connection, const pg::Param& param) {
  auto rows = connection.Execute({.steps = {{&kDescribeParam, {param}}}, .changes = false},
                                 Now() + kStartLimit);
  if (!rows) return Fail(rows.error().error);
  pg::Row row = rows->front()[0];
  std::string value = row.Text();
  const std::string type = row.Text();
  const std::pair<const char*, pg::Param> variables[] = {{":ns", kSample.ns},
                                                         {":key", kSample.key},
                                                         {":claimant", kSample.claimant},
                                                         {":owner", kSample.expected_owner},
                                                         {":fence", kSample.expected_fence}};
  for (const auto& [name, sample] : variables) {
    if (param.type() == sample.type() && param.value() == sample.value()) value = name;
  }
  return value + "::" + type;
}

// The statement for pgbench, which knows no $1.
Result<std::string> TextFor(pg::Connection& connection, const pg::Step& step) {
  std::vector<std::string> arguments;
  for (const pg::Param& param : step.params) {
    auto argument = ArgumentFor(connection, param);
    if (!argument) return Fail(argument.error());
    arguments.push_back(std::move(*argument));
  }
  std::string text;
  for (const char* at = step.statement->sql; *at != '\0';) {
    const auto next = static_cast<unsigned char>(at[1]);
    if (*at == ':' && (std::isalpha(next) || next == '_') && !text.ends_with(':')) {
      return Fail(Unmeasurable(
          fmt::format("pgbench would take a part of {} for a variable", step.statement->name)));
    }
    if (*at != '$' || !std::isdigit(next)) {
      text += *at++;
      continue;
    }
    size_t number = 0;
    for (++at; std::isdigit(static_cast<unsigned char>(*at)); ++at) {
      number = 10 * number + static_cast<size_t>(*at - '0');
    }
    text += arguments.at(number - 1);
  }
  return text + ";\n";
}

Result<std::string> ScriptFor(pg::Connection& connection) {
  const pg::Batch batch = ClaimBatch(kSample);
  std::string script = kPlan;
  script += "\\startpipeline\n";
  for (const pg::Step& step : batch.steps) {
    auto text = TextFor(connection, step);
    if (!text) return text;
    script += *text;
  }
  script += "\\endpipeline\n";
  if (!batch.afterwards) return script;
  return TextFor(connection, *batch.afterwards).map([&](const std::string& text) {
    return script + text;
  });
}

// libpq's variables for a connection like that: no password on a command line.
std::map<std::string, std::string> EnvironmentFor(const std::string& conninfo) {
  std::map<std::string, std::string> environment;
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> options(
      PQconninfoParse(conninfo.c_str(), nullptr), PQconninfoFree);
  for (const auto* option = options.get(); option != nullptr && option->keyword; ++option) {
    if (option->val != nullptr && option->envvar != nullptr) {
      environment[option->envvar] = option->val;
    }
  }
  std::string settings;
  for (const auto& some : {pg::SettingsForRequests(kStatementLimit), pg::SettingsForDetection()}) {
    for (const auto& [name, value] : some) settings += fmt::format("-c {}={} ", name, value);
  }
  environment["PGOPTIONS"] = std::move(settings);
  return environment;
}

}  // namespace

Result<Pgbench> Pgbench::Prepare(const pg::PrivateCluster& postgres, const std::string& conninfo) {
  auto connection = pg::Connection::Open({.conninfo = conninfo}, Now() + kStartLimit);
  if (!connection) return Fail(connection.error().error);
  const auto script = ScriptFor(**connection);
  if (!script) return Fail(script.error());
  Pgbench pgbench;
  pgbench.program_ = postgres.bin_directory() + "/pgbench";
  pgbench.script_ = postgres.directory() + "/claim.sql";
  pgbench.environment_ = EnvironmentFor(conninfo);
  std::ofstream file(pgbench.script_, std::ios::trunc);
  file << *script;
  file.close();
  if (file) return pgbench;
  return Fail(Unmeasurable("cannot write " + pgbench.script_));
}

Result<void> Pgbench::Run(const ClaimPlan& plan) const {
  std::vector<std::string> command{program_,
                                   "--no-vacuum",
                                   "--protocol=prepared",
                                   fmt::format("--file={}", script_),
                                   fmt::format("--client={}", plan.claimers),
                                   fmt::format("--transactions={}", plan.claims)};
  const std::pair<const char*, std::string> variables[] = {
      {"n", "-1"},
      {"ns", plan.ns},
      {"first_key", std::to_string(plan.first_key)},
      {"key_stride", std::to_string(plan.key_stride)},
      {"owner_stride", std::to_string(plan.owner_stride)},
      {"first_claimant", std::to_string(plan.first_claimant)},
      {"first_owner", std::to_string(plan.first_owner)},
      {"fence", std::to_string(plan.fence)}};
  for (const auto& [name, value] : variables) {
    command.push_back(fmt::format("--define={}={}", name, value));
  }
  auto process = Process::Spawn({.command = std::move(command), .environment = environment_});
  if (!process) return Fail(process.error());
  if ((*process)->AwaitEnd(kRunLimit) == 0) return {};
  return Fail(Unmeasurable("pgbench failed: " + (*process)->Transcript()));
}

}  // namespace vigil::bench
