#include "app/doctor_database.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "app/doctor_session.h"
#include "app/examination.h"
#include "app/server.h"
#include "base/loop.h"
#include "pg/hosts.h"
#include "pg/migrator.h"
#include "pg/pooler.h"
#include "pg/survey.h"
#include "store/postgres/postgres_database.h"
#include "store/postgres/schema.h"

namespace vigil {
namespace {

constexpr int kOldestVersion = 14;

std::string Seconds(std::optional<Duration> duration) {
  return duration ? fmt::format("{:g} s", std::chrono::duration<double>(*duration).count())
                  : "never";
}

// What was found where one of the hosts leads.
using Look = std::pair<pg::Host, Result<pg::HostFacts>>;

void DiagnoseHost(const pg::HostFacts& facts, Findings& findings) {
  constexpr std::string_view kCheck = "connection";
  const std::string what = fmt::format("{} is PostgreSQL {}, {}{}", facts.where, facts.Version(),
                                       facts.in_recovery ? "a standby" : "takes writes",
                                       facts.local         ? ", on this machine"
                                       : facts.tls.empty() ? ", in plain text"
                                                           : ", over " + facts.tls);
  if (facts.version / 10000 < kOldestVersion) {
    findings.Fail("version", what + "; 14 or later is needed", "Upgrade the server.");
  } else if (!facts.local && facts.tls.empty()) {
    findings.Warn(kCheck, what,
                  "Set sslmode=verify-full and sslrootcert, where others reach the network between "
                  "the two.");
  } else {
    findings.Ok(kCheck, what);
  }
}

// Where another host serves, one that is away is what several hosts are named for.
void DiagnoseLost(const pg::Host& host, const Error& error, bool others, Findings& findings) {
  const std::string message = fmt::format("{}: {}", host.name, error.message);
  const char* const hint =
      "See whether it runs, and whether this machine may reach it: address, port, pg_hba.conf, the "
      "password.";
  if (others) {
    findings.Warn("connection", message, hint);
  } else {
    findings.Fail("connection", message, hint);
  }
}

// Whether one of them takes writes.
bool DiagnoseHosts(const Config& config, Findings& findings) {
  const auto hosts = pg::HostsOf(config.database);
  if (!hosts) {
    findings.Fail("connection", hosts.error());
    return false;
  }
  std::vector<Look> looks;
  for (const pg::Host& host : *hosts) {
    looks.emplace_back(host, pg::LookAt(host, config.database_deadline));
  }
  const auto takes_writes = [](const Look& look) {
    return look.second && !look.second->in_recovery;
  };
  const auto writable = std::ranges::count_if(looks, takes_writes);
  for (const auto& [host, facts] : looks) {
    if (facts) {
      DiagnoseHost(*facts, findings);
    } else {
      DiagnoseLost(host, facts.error(), writable > 0, findings);
    }
  }
  if (writable == 0 && std::ranges::any_of(looks, [](const Look& look) { return !!look.second; })) {
    findings.Fail("connection", "none of the hosts takes writes",
                  "Promote a standby, or name the primary in the connection string.");
  }
  if (writable > 1) {
    findings.Warn(
        "connection", "more than one of the hosts takes writes",
        "Unless they are names of one server, stop the old primary, or take it out of the "
        "connection string.");
  }
  return writable > 0;
}

void DiagnoseSchema(const Config& config, Findings& findings) {
  const auto checked =
      pg::CheckSchema({.conninfo = config.database}, PostgresSchema(), config.database_deadline);
  if (checked) {
    findings.Ok("schema", fmt::format("it serves this version, which knows it up to {:04}",
                                      PostgresSchema().Level()));
  } else {
    findings.Fail("schema", checked.error());
  }
}

void DiagnoseDetection(const Config& config, const pg::Detection& detection, Findings& findings) {
  constexpr std::string_view kCheck = "detection";
  const std::string what = fmt::format(
      "locks are free {} after a coordinator freezes, {} after its connection is cut; it gives the "
      "database up within {}",
      Seconds(detection.EndsFrozen()), Seconds(detection.EndsCut()),
      Seconds(detection.NoticedWithin(config.database_deadline)));
  if (!detection.EndsFrozen()) {
    findings.Warn(kCheck, what,
                  "idle_session_timeout is not in force: see who resets it for this role or "
                  "database.");
  } else if (detection.tcp && !detection.ignored.empty()) {
    findings.Warn(
        kCheck,
        fmt::format("{}; not in force as asked: {}", what, fmt::join(detection.ignored, " ")),
        "The server's system does not know these settings; without them only "
        "idle_session_timeout notices a cut.");
  } else {
    findings.Ok(kCheck, what);
  }
}

void DiagnoseLockTable(const Config& config, const pg::Capacity& capacity, int64_t coordinators,
                       Findings& findings) {
  constexpr std::string_view kCheck = "locks";
  const auto percent = static_cast<int64_t>(config.coordinator.lock_table_percent);
  const auto pods = static_cast<int64_t>(config.coordinator.max_pods) * coordinators;
  const int64_t sessions = capacity.max_connections + capacity.max_prepared_transactions;
  const int64_t refused_from = NewPodsRefusedFrom(capacity, config);
  const std::string what = fmt::format(
      "the lock table holds {} locks (max_locks_per_transaction {} x {} sessions), new pods are "
      "refused from {} on, and {} coordinator(s) x max-pods {} may want {}",
      capacity.LockTable(), capacity.max_locks_per_transaction, sessions, refused_from,
      coordinators, config.coordinator.max_pods, pods);
  if (refused_from >= pods) {
    findings.Ok(kCheck, what);
  } else {
    findings.Warn(kCheck, what,
                  fmt::format("Set max_locks_per_transaction to {} or more and restart PostgreSQL, "
                              "or lower --max-pods, if there will be so many.",
                              pods * 100 / (percent * sessions) + 1));
  }
}

void DiagnoseConnections(const Config& config, const pg::Capacity& capacity, int64_t coordinators,
                         int64_t in_use, Findings& findings) {
  constexpr std::string_view kCheck = "connections";
  if (const auto checked = CheckCapacity(config, capacity); !checked) {
    findings.Fail(kCheck, checked.error());
    return;
  }
  const int64_t each = ConnectionsOf(config);
  // One more during an upgrade.
  const int64_t all = each * (coordinators + 1);
  const std::string what = fmt::format(
      "a coordinator opens up to {} connections, so {} and one more during an upgrade "
      "{}; this role may have {} (max_connections {}), and {} are in use now",
      each, coordinators, all, capacity.Connections(), capacity.max_connections, in_use);
  if (capacity.Connections() >= all) {
    findings.Ok(kCheck, what);
  } else {
    findings.Warn(kCheck, what,
                  "Raise max_connections or the CONNECTION LIMIT of the role or the database, or "
                  "lower --liveness-sessions, --request-threads or --session-threads.");
  }
}

}  // namespace

void DiagnoseDatabase(const Config& config, Findings& findings) {
  if (!DiagnoseHosts(config, findings)) return;
  EventLoop loop;  // which nothing turns: no session is opened on it
  const pg::ConnectOptions liveness =
      PostgresDatabase(loop, loop,
                       {.conninfo = config.database,
                        .application_name = "vigild doctor",
                        .idle_session_timeout = config.idle_session_timeout,
                        .operation_deadline = config.database_deadline})
          .LivenessOptions();
  if (const auto direct = pg::RefusePooler(liveness, config.database_deadline); !direct) {
    findings.Fail("pooler", direct.error());
    return;
  }
  findings.Ok("pooler", "there is none between this process and PostgreSQL");
  DiagnoseSchema(config, findings);
  const auto survey = pg::Survey(liveness, config.database_deadline);
  if (!survey) {
    findings.Fail("capacity", survey.error());
    return;
  }
  DiagnoseDetection(config, survey->detection, findings);
  const ServerUse use = DiagnoseSession(config, findings);
  DiagnoseConnections(config, survey->capacity, use.coordinators, use.connections, findings);
  DiagnoseLockTable(config, survey->capacity, use.coordinators, findings);
}

}  // namespace vigil
