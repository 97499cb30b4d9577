#include "app/doctor_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "base/wall_clock.h"
#include "pg/connection.h"
#include "pg/rights.h"
#include "store/postgres/rights.h"

namespace vigil {
namespace {

using pg::Connection;
using pg::Statement;
using std::chrono::microseconds;

constexpr Statement kReadRole{
    "read_role",
    "SELECT current_user::text, role.rolsuper, home.oid IS NOT NULL,"
    "       coalesce(pg_has_role(home.nspowner, 'USAGE'), false),"
    "       has_function_privilege('pg_try_advisory_lock(bigint)', 'EXECUTE'),"
    "       pg_has_role('pg_read_all_stats', 'USAGE')"
    "  FROM pg_roles AS role LEFT JOIN pg_namespace AS home ON home.nspname = 'vigil'"
    " WHERE role.rolname = current_user",
    /*once=*/true};

// Who sees no statistics of others sees how many they are. One is this session.
constexpr Statement kReadUse{
    "read_use",
    "SELECT (SELECT count(*) FROM vigil.coordinators WHERE state = 'ALIVE'),"
    "       (SELECT sum(numbackends) FROM pg_stat_database)::bigint - 1",
    /*once=*/true};

constexpr Statement kReadDurability{
    "read_durability",
    "SELECT current_setting('fsync')::boolean, current_setting('full_page_writes')::boolean,"
    "       current_setting('synchronous_standby_names'),"
    "       (SELECT count(*) FROM pg_stat_replication)",
    /*once=*/true};

// It means nothing to anybody; but its commit is one like every other.
constexpr Statement kCommit{"commit_nothing",
                            "SELECT pg_logical_emit_message(true, 'vigild doctor', '')",
                            /*once=*/true};

constexpr Statement kReadClock{"read_clock", "SELECT clock_timestamp()", /*once=*/true};
// What the clocks are watched for.
constexpr Statement kPause{"pause", "SELECT pg_sleep(1)", /*once=*/true};

struct Session {
  Connection& connection;
  Duration deadline;
  Instant Until() const { return SystemClock().Now() + deadline; }

  pg::Attempt<std::vector<pg::Rows>> Ask(const Statement& statement) const {
    return connection.Execute({.steps = {{&statement, {}}}, .changes = false}, Until());
  }
};

// Whoever may not use the schema lacks all else with it.
std::string InWords(const std::vector<pg::Lack>& lacking) {
  if (lacking.front().object.empty()) return "USAGE on the schema vigil";
  std::string words;
  for (const auto& [privilege, object] : lacking) {
    words += fmt::format("{}{} on {}", words.empty() ? "" : ", ", privilege, object);
  }
  return words;
}

// Whether the tables can be used.
bool DiagnoseRights(const Session& session, Findings& findings) {
  constexpr std::string_view kCheck = "rights";
  const auto rows = session.Ask(kReadRole);
  if (!rows) {
    findings.Fail(kCheck, rows.error().error);
    return false;
  }
  pg::Row row = rows->front()[0];
  const std::string role = row.Text();
  const bool superuser = row.Bool();
  const bool home = row.Bool();
  const bool owner = row.Bool();
  const bool locks = row.Bool();
  const bool stats = row.Bool();
  if (!home) return false;  // which the check of the schema has told
  const auto lacking = pg::ReadLacking(session.connection, PostgresRights(), session.Until());
  if (!lacking) {
    findings.Fail(kCheck, lacking.error());
    return false;
  }
  if (!lacking->empty() || !locks) {
    const std::string lacks =
        lacking->empty() ? "EXECUTE on pg_try_advisory_lock" : InWords(*lacking);
    findings.Fail(
        kCheck, fmt::format("the role {} lacks {}", role, lacks),
        fmt::format("Let the owner of the schema run `vigild migrate up --grant-to {}`.", role));
    return false;
  }
  if (superuser) {
    findings.Warn(kCheck, fmt::format("the role {} is a superuser", role),
                  "Serve as a role that owns nothing and may use the tables of vigil, and migrate "
                  "as another one.");
  } else {
    findings.Ok(kCheck, fmt::format("the role {} may use the tables of vigil{}", role,
                                    owner ? ", and owns them" : ""));
  }
  if (!stats) {
    findings.Warn(kCheck,
                  fmt::format("the role {} cannot see when the server was last reset, so a new "
                              "session of an observer begins each grace anew",
                              role),
                  fmt::format("GRANT pg_read_all_stats TO {}.", role));
  }
  return true;
}

ServerUse ReadUse(const Session& session, Findings& findings) {
  const auto rows = session.Ask(kReadUse);
  if (!rows) {
    findings.Fail("capacity", rows.error().error);
    return {};
  }
  pg::Row row = rows->front()[0];
  const int64_t coordinators = row.Bigint();
  return {std::max<int64_t>(coordinators, 1), row.Bigint()};
}

void DiagnoseSettings(const Session& session, Findings& findings) {
  constexpr std::string_view kCheck = "durability";
  const auto rows = session.Ask(kReadDurability);
  if (!rows) {
    findings.Fail(kCheck, rows.error().error);
    return;
  }
  pg::Row row = rows->front()[0];
  const bool fsync = row.Bool();
  const bool full_pages = row.Bool();
  const std::string synchronous = row.Text();
  const int64_t replicas = row.Bigint();
  if (!fsync || !full_pages) {
    findings.Fail(kCheck,
                  fmt::format("{} is off: a crash may take acknowledged commits, and the promises "
                              "with them",
                              fsync ? "full_page_writes" : "fsync"),
                  "Turn it on, wherever data matters.");
  }
  if (synchronous.empty() && replicas > 0) {
    findings.Warn(
        kCheck,
        fmt::format("{} standby(s) and none of them synchronous: a failover may lose what "
                    "was acknowledged last, and with it deaths and claims",
                    replicas),
        "Set synchronous_standby_names, if that must not be; no number or fence is given "
        "twice either way.");
  } else {
    findings.Ok(kCheck,
                synchronous.empty()
                    ? "no standby: the data is where this server is"
                    : fmt::format("commits wait for the synchronous standbys {}", synchronous));
  }
}

void DiagnoseCommit(const Session& session, Findings& findings) {
  constexpr std::string_view kCheck = "durability";
  const Instant begin = SystemClock().Now();
  const auto committed = session.connection.Execute({.steps = {{&kCommit, {}}}}, session.Until());
  if (committed) {
    const std::chrono::duration<double, std::milli> took = SystemClock().Now() - begin;
    findings.Ok(kCheck, fmt::format("a commit is acknowledged within {:.1f} ms", took.count()));
  } else {
    findings.Fail(
        kCheck, fmt::format("a commit is not acknowledged: {}", committed.error().error.message),
        "Coordinators would grant no lease: look at the synchronous standbys, the disk and "
        "the log of the server.");
  }
}

// --- Clocks

struct Sample {
  Instant here;
  // How long the question took: as much may be wrong.
  Duration round_trip{};
  microseconds there{};
};

// The best of a few.
std::optional<Sample> TakeSample(const Session& session) {
  constexpr int kTries = 5;
  std::optional<Sample> best;
  for (int i = 0; i < kTries; ++i) {
    const Instant asked = SystemClock().Now();
    const auto rows = session.Ask(kReadClock);
    if (!rows) return std::nullopt;
    const Duration took = SystemClock().Now() - asked;
    if (best && best->round_trip <= took) continue;
    best = Sample{asked + took / 2, took, microseconds(rows->front()[0].Micros())};
  }
  return best;
}

void DiagnoseRate(const Session& session, int bound_permille, Findings& findings) {
  constexpr std::string_view kCheck = "clock";
  const auto first = TakeSample(session);
  const bool waited = first && session.Ask(kPause);
  const auto last = waited ? TakeSample(session) : std::nullopt;
  if (!last) {
    findings.Warn(kCheck, "the rate of the database's clock could not be measured", "Try again.");
    return;
  }
  const auto here = std::chrono::duration<double>(last->here - first->here).count();
  const auto there = std::chrono::duration<double>(last->there - first->there).count();
  const double permille = (there / here - 1) * 1000;
  const double unsure =
      std::chrono::duration<double>(first->round_trip + last->round_trip).count() / 2 / here * 1000;
  const std::string what = fmt::format(
      "in {:.1f} s the clock of the database ran {:.2f} permille {} than this one "
      "(measured to {:.2f}); the bound is {}",
      here, std::abs(permille), permille < 0 ? "slower" : "faster", unsure, bound_permille);
  if (std::abs(permille) - unsure > bound_permille) {
    findings.Warn(kCheck, what,
                  "One of the two clocks is being corrected hard or is broken: look at its time "
                  "service; if it stays so, raise --clock-rate-permille.");
  } else {
    findings.Ok(kCheck, what);
  }
}

void DiagnoseWallClocks(const Session& session, Findings& findings) {
  constexpr std::string_view kCheck = "clock";
  constexpr std::chrono::seconds kNoticeable(1);
  const auto there = TakeSample(session);
  const auto here = ReadWallClock();
  if (!here || !there) {
    findings.Ok(kCheck, "whether this machine's wall clock is right cannot be known here");
    return;
  }
  const microseconds passed =
      std::chrono::duration_cast<microseconds>(SystemClock().Now() - there->here);
  const microseconds apart = here->since_epoch - (there->there + passed);
  const std::string what =
      fmt::format("the wall clocks here and in the database are {:.3f} s apart",
                  std::abs(std::chrono::duration<double>(apart).count()));
  if (std::chrono::abs(apart) > kNoticeable) {
    findings.Warn(kCheck, what,
                  "No promise rests on it, but times in logs and events will confuse people: have "
                  "both synchronised.");
  } else {
    findings.Ok(kCheck, what);
  }
  if (here->synchronised) return;
  findings.Warn(kCheck, "the kernel of this machine was not told that its clock is synchronised",
                "Run a time service on it (chrony, systemd-timesyncd); no promise rests on it.");
}

}  // namespace

ServerUse DiagnoseSession(const Config& config, Findings& findings) {
  auto opened = Connection::Open({.conninfo = config.database,
                                  .application_name = "vigild doctor",
                                  .settings = pg::SettingsForRequests(config.database_deadline)},
                                 SystemClock().Now() + config.database_deadline);
  if (!opened) {
    findings.Fail("connection", opened.error().error);
    return {};
  }
  const Session session{**opened, config.database_deadline};
  ServerUse use;
  if (DiagnoseRights(session, findings)) use = ReadUse(session, findings);
  DiagnoseSettings(session, findings);
  DiagnoseRate(session, config.coordinator.timing.clock_rate_permille, findings);
  DiagnoseWallClocks(session, findings);
  // Last, since a commit that hangs takes the session with it.
  DiagnoseCommit(session, findings);
  return use;
}

}  // namespace vigil
