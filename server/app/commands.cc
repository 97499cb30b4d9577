#include "app/commands.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <ctime>
#include <optional>

#include "app/descriptors.h"
#include "app/examination.h"
#include "app/memory.h"
#include "app/schema_watch.h"
#include "app/server.h"
#include "base/log.h"
#include "core/errors.h"
#include "pg/connecting.h"
#include "pg/migrator.h"
#include "pg/private_cluster.h"
#include "pg/rights.h"
#include "store/postgres/postgres_database.h"
#include "store/postgres/rights.h"
#include "store/postgres/running_servers.h"
#include "store/postgres/schema.h"

namespace vigil {
namespace {

constexpr Duration kMigrationDeadline = std::chrono::minutes(5);
constexpr Duration kReadyCheck = std::chrono::milliseconds(10);
constexpr Duration kLongestWait = std::chrono::seconds(1);

constexpr int kWrongUsage = 2;

int Refuse(std::string_view what, const Error& error, int exit_code = 1) {
  fmt::print(stderr, "vigild: {}: {}\n  {}\n", what, error.message, error.hint);
  return exit_code;
}

// SIGTERM and SIGINT, blocked for every thread that is started from here on and waited for by this
// one.
class StopSignals {
 public:
  StopSignals() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGTERM);
    sigaddset(&signals_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  }

  // False when none came within the time, which is at most a second.
  bool WaitFor(Duration time) const {
    const timespec patience{time / std::chrono::seconds(1),
                            (time % std::chrono::seconds(1)).count()};
    return sigtimedwait(&signals_, nullptr, &patience) > 0;
  }

 private:
  sigset_t signals_{};
};

// Waits until the database can be relied on. False when it never will, or when a signal came first.
bool WaitForDatabase(const Config& config, const PostgresDatabase& database, Server& server,
                     const StopSignals& signals, bool& refused) {
  const Duration deadline = config.database_deadline;
  while (true) {
    auto checked = ExamineDatabase(config, database.LivenessOptions());
    if (checked) {
      checked = pg::CheckRights(database.ErrandOptions(), PostgresRights(), deadline);
    }
    if (checked) {
      checked = pg::CheckSchema(database.ErrandOptions(), PostgresSchema(), deadline);
    }
    if (checked) return true;
    log::Failed("The database is not ready.", checked.error());
    server.Examined(checked.error());
    refused = checked.error().code == Code::kFailedPrecondition;
    if (refused || signals.WaitFor(std::chrono::seconds(1))) return false;
  }
}

int ServeUntilStopped(const Config& config, const StopSignals& signals,
                      const std::function<void(const Server&)>& greet) {
  RaiseDescriptorLimit();
  EventLoop loop;
  EventLoop log_loop;
  PostgresDatabase database(loop, log_loop,
                            {.conninfo = config.database,
                             .application_name = "vigild",
                             .idle_session_timeout = config.idle_session_timeout,
                             .operation_deadline = config.database_deadline});
  Server server(loop, log_loop, database, config);
  if (const auto started = server.Start(); !started) return Refuse("cannot start", started.error());
  // Until the server has stopped: its own end may wait for the database.
  std::optional<SchemaWatch> watch;
  bool refused = false;
  if (WaitForDatabase(config, database, server, signals, refused)) {
    server.Join();
    watch.emplace(database.ErrandOptions(), config.database_deadline,
                  [&server](const auto& unfit) { server.Examined(unfit); });
    bool stopped = false;
    while (greet && !stopped && !server.ready()) stopped = signals.WaitFor(kReadyCheck);
    if (greet && !stopped) greet(server);
    const SystemClock clock;
    SpareMemory memory(clock);
    while (!stopped && !signals.WaitFor(kLongestWait)) memory.GiveBack();
  }
  server.Stop();
  return refused ? 1 : 0;
}

void Greet(const Server& server, const pg::PrivateCluster& cluster) {
  const std::string http =
      server.http_port() == 0
          ? ""
          : fmt::format(
                "    curl -N 'http://127.0.0.1:{0}/v1/events?namespace=default'\n"
                "\n"
                "  Look at it in a browser:\n"
                "    http://127.0.0.1:{0}/\n",
                server.http_port());
  fmt::print(
      "vigild is listening on 127.0.0.1:{0} over a private Postgres that goes when it stops.\n"
      "It is --insecure: no TLS, and whoever reaches the port may do everything.\n"
      "\n"
      "  Try it in another terminal:\n"
      "    vigil --address 127.0.0.1:{0} run --pod first --work hello -- sleep 60\n"
      "    vigil --address 127.0.0.1:{0} pods list\n"
      "    vigil --address 127.0.0.1:{0} events tail --oldest --follow\n"
      "{3}"
      "\n"
      "  Look at its database (as root or as the user that started this):\n"
      "    PGPASSWORD=$(cat {1}/password) psql -h {1} -p {2} -U postgres\n"
      "\n"
      "  Stop it with Ctrl-C.\n",
      server.port(), cluster.directory(), cluster.port(), http);
  std::fflush(stdout);
}

}  // namespace

int Serve(const Config& config) {
  if (const auto checked = CheckConfig(config); !checked) {
    return Refuse("the settings do not fit together", checked.error(), kWrongUsage);
  }
  if (config.database.empty()) {
    return Refuse(
        "no database is set",
        Error{Code::kInvalidArgument,
              "",
              "serve needs a PostgreSQL 14 or later",
              "Set VIGIL_DATABASE, for example to 'host=127.0.0.1 dbname=vigil user=vigil', or try "
              "`vigild dev`, which brings its own.",
              {}});
  }
  if (const auto checked = pg::CheckConninfo(config.database); !checked) {
    return Refuse("cannot use the database", checked.error());
  }
  if (const auto checked = CheckAccess(config); !checked) {
    return Refuse("who may call is not settled", checked.error(), kWrongUsage);
  }
  const StopSignals signals;
  log::SetUp(config.log_format, config.log_level);
  return ServeUntilStopped(config, signals, nullptr);
}

int ServeDevelopment(Config config) {
  if (const auto checked = CheckConfig(config); !checked) {
    return Refuse("the settings do not fit together", checked.error(), kWrongUsage);
  }
  config.insecure = true;
  if (const auto checked = CheckAccess(config); !checked) {
    return Refuse("dev is always --insecure", checked.error(), kWrongUsage);
  }
  // The cluster forks its guardian: before any thread.
  const auto cluster = pg::PrivateCluster::Start();
  if (!cluster) return Refuse("cannot start a private Postgres", cluster.error());
  const StopSignals signals;
  log::SetUp(config.log_format, config.log_level);
  config.database = (*cluster)->Conninfo();
  const auto migrated = pg::Migrate(config.database, PostgresSchema(), kMigrationDeadline);
  if (!migrated) return Refuse("cannot migrate the private Postgres", migrated.error());
  return ServeUntilStopped(config, signals,
                           [&](const Server& server) { Greet(server, **cluster); });
}

int MigrateUp(const Config& config, const std::string& grant_to) {
  const auto applied = pg::Migrate(
      config.database, PostgresSchema(), kMigrationDeadline, [&](const pg::Migration& strictest) {
        return RefuseOverOldServers(config.database, strictest, config.database_deadline);
      });
  if (!applied) return Refuse("cannot migrate", applied.error());
  for (const uint32_t version : *applied) fmt::print("applied {:04}\n", version);
  if (applied->empty()) fmt::print("nothing to apply\n");
  if (grant_to.empty()) return 0;
  const auto granted = pg::GrantRights(config.database, PostgresRights(), PostgresSchema(),
                                       grant_to, kMigrationDeadline);
  if (!granted) return Refuse("cannot grant", granted.error());
  fmt::print("granted to {}\n", grant_to);
  return 0;
}

int ShowMigrations(const Config& config) {
  const auto status = pg::ReadMigrationStatus({.conninfo = config.database}, PostgresSchema(),
                                              config.database_deadline);
  if (!status) return Refuse("cannot read the migrations", status.error());
  const auto running = ReadRunningServers(config.database, config.database_deadline);
  if (!running) return Refuse("cannot read the coordinators", running.error());
  static constexpr const char* kStates[] = {"applied", "pending", "CHANGED", "newer", "UNKNOWN"};
  for (const auto& row : *status) {
    fmt::print("{:04}  {:<20}  serves from {:04}  {:<8}  {}\n", row.version, row.name, row.serves,
               kStates[static_cast<int>(row.state)], row.applied_at);
  }
  for (const RunningServer& server : *running) {
    fmt::print("coordinator {} at {}: version {}, knows {:04}\n", server.number.value,
               server.address, server.version.empty() ? "unknown" : server.version, server.level);
  }
  return 0;
}

}  // namespace vigil
