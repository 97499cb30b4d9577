#include "floor_chain.h"

#include <fmt/format.h>

#include <csignal>
#include <sstream>
#include <utility>

#include "measuring.h"
#include "query.h"

namespace vigil::bench {
namespace {

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

Result<std::unique_ptr<FloorChain>> FloorChain::Start(pg::PrivateCluster& postgres,
                                                      FloorEvidence evidence, int rounds) {
  std::unique_ptr<FloorChain> chain(new FloorChain(evidence));
  auto program = FindBuilt("vigil_bench_floor");
  if (!program) return Fail(program.error());
  chain->program_ = *program;
  const std::string kind = evidence == FloorEvidence::kSocket ? "socket" : "lock";
  const std::string database = "bench_floor_" + kind;
  if (auto created = postgres.CreateDatabase(database); !created) return Fail(created.error());
  chain->conninfo_ = postgres.Conninfo(database);
  if (auto made = RunScript(chain->conninfo_, fmt::format(kTables, rounds)); !made) {
    return Fail(made.error());
  }

  auto peer = chain->Spawn({"peer", kind, std::to_string(rounds)});
  if (!peer) return Fail(peer.error());
  chain->peer_ = std::move(*peer);
  auto port = AwaitWords(*chain->peer_, "listening ");
  if (!port) return Fail(port.error());
  chain->port_ = *port;
  auto claimer = chain->Spawn({"claimer", std::to_string(rounds)});
  if (!claimer) return Fail(claimer.error());
  chain->claimer_ = std::move(*claimer);
  if (auto listens = AwaitWords(*chain->claimer_, "listening"); !listens) {
    return Fail(listens.error());
  }
  return chain;
}

Result<std::unique_ptr<Process>> FloorChain::Spawn(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), program_);
  return Process::Spawn(
      {.command = std::move(arguments), .environment = {{"VIGIL_BENCH_DATABASE", conninfo_}}});
}

Result<FloorRound> FloorChain::Run(Duration peace) {
  ++round_;
  const int key = evidence_ == FloorEvidence::kLock ? round_ : 0;
  auto victim = Spawn({"victim", port_, std::to_string(key)});
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
