#include "polling_database.h"

#include "measuring.h"
#include "query.h"
#include "statistics.h"

namespace vigil::bench {
namespace {

constexpr auto kDatabase = "bench_polling";
constexpr auto kTables =
    "CREATE TABLE polling_pods (name text PRIMARY KEY);"
    "CREATE TABLE polling_items (key text PRIMARY KEY, owner text NOT NULL);"
    "CREATE INDEX ON polling_items (owner)";
// Of one pod after the other: a connection with a password, a lock and two rows.
constexpr Duration kStartOfAPod = std::chrono::milliseconds(100);

}  // namespace

Result<std::unique_ptr<PollingDatabase>> PollingDatabase::Create(pg::PrivateCluster& postgres) {
  if (auto created = postgres.CreateDatabase(kDatabase); !created) return Fail(created.error());
  std::unique_ptr<PollingDatabase> database(new PollingDatabase(postgres));
  if (auto made = RunScript(postgres.Conninfo(kDatabase), kTables); !made)
    return Fail(made.error());
  return database;
}

PollingDatabase::~PollingDatabase() { static_cast<void>(postgres_.DropDatabase(kDatabase)); }

Result<std::unique_ptr<Process>> PollingDatabase::Run(const std::string& names, int pods) const {
  auto program = FindBuilt("vigil_bench_polling_pods");
  if (!program) return Fail(program.error());
  const auto interval = std::chrono::duration_cast<std::chrono::milliseconds>(kPollingInterval);
  auto process = Process::Spawn(
      {.command = {*program, names, std::to_string(pods), std::to_string(interval.count())},
       .environment = {{"VIGIL_BENCH_DATABASE", postgres_.Conninfo(kDatabase)}}});
  if (!process) return Fail(process.error());
  auto ready = AwaitWords(**process, "ready", kStartLimit + pods * kStartOfAPod);
  if (!ready) return Fail(ready.error());
  return process;
}

}  // namespace vigil::bench
