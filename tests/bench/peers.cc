#include "peers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "contender.h"
#include "measuring.h"
#include "own_contenders.h"
#include "peer_kinds.h"
#include "pg/private_cluster.h"
#include "report.h"
#include "statistics.h"
#include "steady_state.h"
#include "support/vigil_cluster.h"

namespace vigil::bench {
namespace {

// The claim is to be so many times sooner than that of the best other system, and of the polling
// design; and a pod to cost the database so many times less than there, with so many pods.
constexpr double kBestPeerOverVigil = 20;
constexpr double kPollingOverVigil = 100;
constexpr double kPollingCostOverVigil = 50;
constexpr int kPodsOfTheTarget = 100;
// Beside the pods of the polling design: Vigil, the bare chain, and the bench.
constexpr int kOtherConnections = 100;
constexpr Duration kShortestPeace = std::chrono::milliseconds(20);
constexpr auto kHint = "run ./dev setup --peers";

struct Entrant {
  std::unique_ptr<Contender> contender;
  std::vector<Takeover> takeovers;
  // Rounds in which the victim was taken for dead while it lived; they count for nothing else.
  int false_deaths = 0;
  bool left_out = false;
};

// The contenders, and who is not among them, with the reason.
struct Field {
  std::vector<Entrant> entrants;
  Json left_out = Json::array();

  void LeaveOut(const std::string& name, const std::string& why) {
    fmt::print(stderr, "{} is left out: {}\n", name, why);
    left_out.push_back({{"name", name}, {"why", why}});
  }
};

void AddPeers(Field& field, const PeersOptions& options) {
  for (const PeerKind& kind : PeerKinds()) {
    if (std::ranges::find(options.peers, kind.name) == options.peers.end()) {
      field.LeaveOut(kind.name, "not asked for");
    } else if (const std::string missing = MissingOf(kind); !missing.empty()) {
      field.LeaveOut(kind.name, fmt::format("{} is not installed; {}", missing, kHint));
    } else {
      auto contenders = kind.contenders({.slow = options.slow_samples, .fast = options.samples});
      for (auto& contender : contenders)
        field.entrants.push_back({.contender = std::move(contender), .takeovers = {}});
    }
  }
}

// Another system with which something went wrong is left out; of ours every one must be measured.
Result<void> Allow(const Result<void>& result, Field& field, Entrant& entrant) {
  const auto& traits = entrant.contender->traits();
  if (result) return {};
  if (!traits.is_peer) return Fail(Unmeasurable(traits.name + ": " + result.error().message));
  field.LeaveOut(traits.name, result.error().message);
  entrant.left_out = true;
  return {};
}

Result<void> Start(Field& field) {
  for (Entrant& entrant : field.entrants) {
    if (auto go = Allow(entrant.contender->Start(), field, entrant); !go) return go;
  }
  return {};
}

Result<void> RunOnce(Entrant& entrant, bool counts) {
  const auto& traits = entrant.contender->traits();
  const auto takeover =
      entrant.contender->Run(RandomPeace(kShortestPeace, kShortestPeace + traits.period));
  if (!takeover) return Fail(takeover.error());
  fmt::print(stderr, "{}{}: noticed {:.2f} ms, claimed {}\n", counts ? "" : "warm-up ", traits.name,
             Milliseconds(takeover->noticed),
             takeover->claimed ? fmt::format("{:.2f} ms", Milliseconds(*takeover->claimed)) : "-");
  if (takeover->noticed < Duration{}) {
    if (!traits.is_peer) return Fail(Unmeasurable("its victim was taken for dead while it lived"));
    ++entrant.false_deaths;
  } else if (counts) {
    entrant.takeovers.push_back(*takeover);
  }
  return {};
}

// All in turn, and each as often before the others as after them. Who has fewer rounds than others
// has them spread over all of the time.
Result<void> RunRounds(Field& field) {
  int rounds = 0;
  int warm_up = 0;
  for (const Entrant& entrant : field.entrants) {
    rounds = std::max(rounds, entrant.contender->traits().samples);
    warm_up = std::max(warm_up, entrant.contender->traits().warm_up);
  }
  for (int round = -warm_up; round < rounds; ++round) {
    std::vector<Entrant*> order;
    for (Entrant& entrant : field.entrants) order.push_back(&entrant);
    if (round % 2 != 0) std::ranges::reverse(order);
    for (Entrant* entrant : order) {
      const auto& traits = entrant->contender->traits();
      const bool has_turn =
          round < 0 ? round >= -traits.warm_up
                    : (round + 1) * traits.samples / rounds != round * traits.samples / rounds;
      if (!has_turn || entrant->left_out) continue;
      if (auto go = Allow(RunOnce(*entrant, round >= 0), field, *entrant); !go) return go;
    }
  }
  return {};
}

Summary ClaimsOf(const Entrant& entrant) {
  std::vector<Duration> claims;
  for (const Takeover& takeover : entrant.takeovers) claims.push_back(*takeover.claimed);
  return Summarize(std::move(claims));
}

// The figures of each, and how many times sooner Vigil is.
void AddTakeovers(Json& rows, const Field& field) {
  double vigil = 0;
  std::optional<double> best_peer;
  for (const Entrant& entrant : field.entrants) {
    if (entrant.left_out) continue;
    const auto& traits = entrant.contender->traits();
    rows.push_back(Row(traits.name + "/rounds", static_cast<double>(entrant.takeovers.size()), ""));
    rows.push_back(Row(traits.name + "/false_deaths", entrant.false_deaths, ""));
    if (entrant.takeovers.empty()) continue;
    std::vector<Duration> notices;
    for (const Takeover& takeover : entrant.takeovers) notices.push_back(takeover.noticed);
    AddRanks(rows, traits.name + "/noticed", Summarize(std::move(notices)));
    if (!entrant.takeovers.front().claimed) continue;
    const Summary claims = ClaimsOf(entrant);
    AddRanks(rows, traits.name + "/claimed", claims);
    const double p50 = Milliseconds(claims.p50);
    if (traits.name == kVigilName) vigil = p50;
    if (traits.name == kBareChainName) {
      rows.push_back(Row("vigil_over_bare_chain", vigil / p50, "ratio"));
    } else if (traits.name == kPollingName) {
      rows.push_back(RowAtLeast("polling_over_vigil", p50 / vigil, "ratio", kPollingOverVigil));
    } else if (traits.is_peer) {
      best_peer = std::min(p50, best_peer.value_or(p50));
    }
  }
  if (best_peer) {
    rows.push_back(
        RowAtLeast("best_peer_over_vigil", *best_peer / vigil, "ratio", kBestPeerOverVigil));
  }
}

// What the database spends, on Vigil and then on the polling design.
Result<void> AddSteadyStates(Json& rows, pg::PrivateCluster& postgres,
                             std::unique_ptr<VigilCluster>& cluster, const PeersOptions& options) {
  const SteadyStateOptions at_rest{.pods = options.pods,
                                   .window = std::chrono::seconds(options.window_seconds)};
  const auto vigil = MeasureVigilAtRest(postgres, *cluster, at_rest);
  if (!vigil) return Fail(vigil.error());
  cluster = nullptr;
  const auto polling = MeasurePollingAtRest(postgres, at_rest);
  if (!polling) return Fail(polling.error());
  constexpr auto kUnit = "us/s";
  rows.push_back(Row("no_pods/database_cpu", polling->front().database_time, kUnit));
  for (size_t i = 0; i < vigil->size(); ++i) {
    const SteadyState& ours = vigil->at(i);
    const SteadyState& theirs = polling->at(i + 1);
    const auto add = [&](const char* whose, const SteadyState& state) {
      const std::string name = fmt::format("{}_{}/database_cpu", whose, state.pods);
      rows.push_back(Row(name, state.database_time, kUnit));
      rows.push_back(Row(name + "_per_pod", state.database_time / state.pods, kUnit));
    };
    add(kVigilName, ours);
    add(kPollingName, theirs);
    rows.push_back(Row(fmt::format("polling_{}/probes_made_of_due", theirs.pods),
                       theirs.probes_made.value_or(0), "ratio"));
    rows.push_back(RowAtLeast(
        fmt::format("{}/database_cpu_polling_over_vigil", ours.pods),
        theirs.database_time / ours.database_time, "ratio",
        ours.pods == kPodsOfTheTarget ? std::optional(kPollingCostOverVigil) : std::nullopt));
  }
  return {};
}

}  // namespace

Result<Json> MeasurePeers(const PeersOptions& options) {
  const int most_pods = std::ranges::max(options.pods);
  // It forks: before any thread.
  auto postgres = pg::PrivateCluster::Start(
      {.fsync = true,
       .settings = {{"max_connections", std::to_string(most_pods + kOtherConnections)}}});
  if (!postgres) return Fail(postgres.error());
  auto description = DescribePostgres(**postgres);
  if (!description) return Fail(description.error());
  auto cluster = VigilCluster::Start(
      **postgres, {.coordinators = 1, .settings = {"--log-level", options.log_level}});
  if (!cluster) return Fail(cluster.error());

  Json rows = Json::array();
  Json left_out;
  const auto measure = [&]() -> Result<void> {
    Field field;
    auto own = MakeOwnContenders({.postgres = **postgres,
                                  .coordinator = (*cluster)->address(0),
                                  .samples = options.samples,
                                  .warm_up = options.warm_up,
                                  .slow_samples = options.slow_samples});
    for (auto& contender : own)
      field.entrants.push_back({.contender = std::move(contender), .takeovers = {}});
    AddPeers(field, options);
    if (auto started = Start(field); !started) return started;
    if (auto run = RunRounds(field); !run) return run;
    AddTakeovers(rows, field);
    left_out = std::move(field.left_out);
    return {};
  };
  auto measured = measure();
  if (options.log_level != PeersOptions().log_level) {
    fmt::print(stderr, "{}", (*cluster)->Logs());
  }
  if (measured) measured = AddSteadyStates(rows, **postgres, *cluster, options);
  if (!measured) return Fail(measured.error());
  return WithPlace(Json{{"bench", "peers"},
                        {"samples", options.samples},
                        {"slow_samples", options.slow_samples},
                        {"window_seconds", options.window_seconds},
                        {"left_out", std::move(left_out)},
                        {"rows", std::move(rows)}},
                   std::move(*description));
}

std::string PeersTable(const Json& measured) { return RowsTable(measured.at("rows")); }

}  // namespace vigil::bench
