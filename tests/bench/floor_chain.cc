#include "floor_chain.h"

#include <fmt/format.h>

#include <csignal>
#include <sstream>

#include "measuring.h"
#include "pg/connection.h"

namespace vigil::bench {
namespace {

constexpr auto kDatabase = "bench_floor";

// One row of each table per round.
constexpr auto kTables =
    "CREATE TABLE floor_pods (id bigint PRIMARY KEY, state text NOT NULL);"
    "CREATE TABLE floor_events (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    "                           pod bigint NOT NULL, kind text NOT NULL);"
    "CREATE TABLE floor_items (id bigint PRIMARY KEY, owner bigint NOT NULL, fence bigint NOT "
    "NULL);"
    "INSERT INTO floor_pods SELECT i, 'ALIVE' FROM generate_series(1, {0}) AS i;"
    "INSERT INTO floor_items SELECT i, i, 1 FROM generate_series(1, {0}) AS i;"
    "ANALYZE";

Result<void> CreateTables(pg::PrivateCluster& postgres, int rounds) {
  if (auto created = postgres.CreateDatabase(kDatabase); !created) return created;
  const Instant deadline = Now() + kStartLimit;
  auto connection = pg::Connection::Open({.conninfo = postgres.Conninfo(kDatabase)}, deadline);
  if (!connection) return Fail(connection.error().error);
  auto made = (*connection)->ExecuteScript(fmt::format(kTables, rounds), deadline);
  if (!made) return Fail(made.error().error);
  return {};
}

// The numbers behind a word in a line of the floor's programs.
Result<std::pair<Instant, Instant>> TimesOf(Process& process, const char* word, int round) {
  auto line = AwaitWords(process, fmt::format("{} {} ", word, round));
  if (!line) return Fail(line.error());
  Duration::rep first = 0;
  Duration::rep second = 0;
  std::istringstream(*line) >> first >> second;
  return std::pair(Instant(Duration(first)), Instant(Duration(second)));
}

}  // namespace

Result<std::unique_ptr<FloorChain>> FloorChain::Start(pg::PrivateCluster& postgres, int rounds) {
  std::unique_ptr<FloorChain> chain(new FloorChain());
  auto program = FindBuilt("vigil_bench_floor");
  if (!program) return Fail(program.error());
  chain->program_ = *program;
  if (auto created = CreateTables(postgres, rounds); !created) return Fail(created.error());
  for (auto [role, process] : {std::pair("peer", &chain->peer_), {"claimer", &chain->claimer_}}) {
    auto spawned =
        Process::Spawn({.command = {chain->program_, role, std::to_string(rounds)},
                        .environment = {{"VIGIL_BENCH_DATABASE", postgres.Conninfo(kDatabase)}}});
    if (!spawned) return Fail(spawned.error());
    *process = std::move(*spawned);
    auto listening = AwaitWords(**process, "listening");
    if (!listening) return Fail(listening.error());
    if (process == &chain->peer_) chain->port_ = listening->substr(1);
  }
  return chain;
}

Result<FloorRound> FloorChain::Run(Duration peace) {
  ++round_;
  auto victim = Process::Spawn({.command = {program_, "victim", port_}});
  if (!victim) return Fail(victim.error());
  auto joined = AwaitWords(*peer_, fmt::format("joined {}", round_));
  if (!joined) return Fail(joined.error());
  if (auto lived = LeaveInPeace(**victim, peace); !lived) return Fail(lived.error());

  const Instant killed = Now();
  (*victim)->Signal(SIGKILL);
  const auto claim = TimesOf(*claimer_, "claimed", round_);
  if (!claim) return Fail(claim.error());
  const auto death = TimesOf(*peer_, "declared", round_);
  if (!death) return Fail(death.error());
  return FloorRound{death->first - killed, death->second - killed, claim->first - killed,
                    claim->second - killed};
}

}  // namespace vigil::bench
