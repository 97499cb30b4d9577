#include "death.h"

#include <fmt/format.h>
#include <cmath>
#include <cstdio>
#include <functional>
#include <random>
#include <utility>
#include <vector>

#include "floor_chain.h"
#include "measuring.h"
#include "pg/private_cluster.h"
#include "report.h"
#include "support/vigil_cluster.h"
#include "vigil_chain.h"

namespace vigil::bench {
namespace {

// The claim is to be committed within so many floors.
constexpr double kTarget = 3;
// A pod's death does not wait for a good moment: rounds spread over what repeats itself by the
// clock.
class Peace {
 public:
  explicit Peace(const DeathOptions& options)
      : milliseconds_(20, 20 + (options.profile == client::Profile::kStrict
                                    ? Milliseconds(options.lease) / 3  // a heartbeat's interval
                                    : 100)) {}

  Duration Next() {
    return std::chrono::microseconds(static_cast<int64_t>(milliseconds_(random_) * 1e3));
  }

 private:
  std::mt19937_64 random_{std::random_device{}()};
  std::uniform_real_distribution<double> milliseconds_;
};

struct Rounds {
  std::vector<VigilRound> vigil;
  std::vector<FloorRound> floor;
  // The very first, counted or not: no plan is made yet, no page touched. Deaths are rare, so this
  // is what the only one of a night would cost.
  VigilRound first_vigil;
  FloorRound first_floor;
};

Result<Rounds> RunRounds(VigilChain& vigil, FloorChain& floor, const DeathOptions& options) {
  Peace peace(options);
  Rounds rounds;
  for (int round = -options.warm_up; round < options.samples; ++round) {
    // In turn, and each as often before the other as after it.
    const bool floor_first = round % 2 == 0;
    auto bare = floor_first ? floor.Run(peace.Next()) : Result<FloorRound>();
    const auto with_vigil = vigil.Run(peace.Next());
    if (!floor_first) bare = floor.Run(peace.Next());
    if (!with_vigil) return Fail(with_vigil.error());
    if (!bare) return Fail(bare.error());
    if (round == -options.warm_up) {
      rounds.first_vigil = *with_vigil;
      rounds.first_floor = *bare;
    }
    if (round >= 0) {
      rounds.vigil.push_back(*with_vigil);
      rounds.floor.push_back(*bare);
    }
    fmt::print(stderr, "{} {:>3}: event {:.2f} ms, claim {:.2f} ms, floor {:.2f} ms\n",
               round < 0 ? "warm-up" : "round  ",
               round < 0 ? round + options.warm_up + 1 : round + 1, Milliseconds(with_vigil->event),
               Milliseconds(with_vigil->claimed), Milliseconds(bare->claimed));
  }
  return rounds;
}

// Of what `duration_of` says of each round.
template <typename Round, typename DurationOf>
Summary Of(const std::vector<Round>& rounds, const DurationOf& duration_of) {
  std::vector<Duration> durations;
  for (const Round& round : rounds) durations.push_back(std::invoke(duration_of, round));
  return Summarize(std::move(durations));
}

// The median of each hop by itself. They add up to about the median of the whole.
Json HopsOf(const std::vector<FloorRound>& rounds) {
  const auto hop = [&](auto from, auto to) {
    return Milliseconds(
        Of(rounds, [&](const FloorRound& round) { return round.*to - round.*from; }).p50);
  };
  return {{"end_of_connection", Milliseconds(Of(rounds, &FloorRound::noticed).p50)},
          {"death_committed", hop(&FloorRound::noticed, &FloorRound::committed)},
          {"claimer_woken", hop(&FloorRound::committed, &FloorRound::woken)},
          {"claim_committed", hop(&FloorRound::woken, &FloorRound::claimed)}};
}

Json HopsOf(const std::vector<VigilRound>& rounds) {
  const auto claim = [](const VigilRound& round) { return round.claimed - round.event; };
  return {{"event", Milliseconds(Of(rounds, &VigilRound::event).p50)},
          {"claim", Milliseconds(Of(rounds, claim).p50)}};
}

// The same as one figure a row.
Json RowsOf(const Json& report) {
  Json rows = Json::array();
  for (const char* field : {"event_ms", "claim_ms", "floor_all_ms"}) {
    const std::string name(field, std::string_view(field).find("_ms"));
    for (const auto& [rank, value] : report.at(field).items()) {
      rows.push_back(Row(fmt::format("{}_{}", name, rank), value.get<double>(), "ms"));
    }
  }
  if (report.contains("target")) {
    rows.push_back(Row("claim_p50_over_floor", report.at("claim_p50_over_floor").get<double>(),
                       "ratio", report.at("target").get<double>()));
  }
  return rows;
}

Json Report(const Rounds& rounds, const DeathOptions& options, const Json& postgres) {
  const Summary claim = Of(rounds.vigil, &VigilRound::claimed);
  const Summary floor = Of(rounds.floor, &FloorRound::claimed);
  Json report{{"bench", "death"},
              {"profile", options.profile == client::Profile::kStrict ? "strict" : "fast"},
              {"lease_ms", Milliseconds(options.lease)},
              {"samples", options.samples},
              {"warm_up", options.warm_up},
              {"event_ms", ToJson(Of(rounds.vigil, &VigilRound::event))},
              {"claim_ms", ToJson(claim)},
              {"floor_ms", Milliseconds(floor.p50)},
              {"floor_all_ms", ToJson(floor)},
              {"hops_p50_ms", HopsOf(rounds.vigil)},
              {"floor_hops_p50_ms", HopsOf(rounds.floor)},
              {"first_round_ms",
               {{"event", Milliseconds(rounds.first_vigil.event)},
                {"claim", Milliseconds(rounds.first_vigil.claimed)},
                {"floor", Milliseconds(rounds.first_floor.claimed)}}}};
  // STRICT waits for the lease, which no bare chain does.
  if (options.profile == client::Profile::kFast) {
    const double ratio = Milliseconds(claim.p50) / Milliseconds(floor.p50);
    report["claim_p50_over_floor"] = std::round(ratio * 100) / 100;
    report["target"] = kTarget;
    report["met"] = ratio <= kTarget;
  }
  report["rows"] = RowsOf(report);
  report["postgres"] = postgres;
  report["vigil"] = VIGIL_VERSION;
  report["machine"] = DescribeMachine();
  return report;
}

}  // namespace

Result<Json> MeasureDeath(const DeathOptions& options) {
  // It forks: before any thread.
  auto postgres = pg::PrivateCluster::Start({.fsync = true});
  if (!postgres) return Fail(postgres.error());
  auto description = DescribePostgres(**postgres);
  if (!description) return Fail(description.error());
  auto cluster = VigilCluster::Start(
      **postgres, {.coordinators = 1, .settings = {"--log-level", options.log_level}});
  if (!cluster) return Fail(cluster.error());
  const auto logs = [&] {
    if (options.log_level != DeathOptions().log_level) fmt::print(stderr, "{}", (*cluster)->Logs());
  };
  auto floor = FloorChain::Start(**postgres, options.warm_up + options.samples);
  if (!floor) return Fail(floor.error());
  auto vigil = VigilChain::Start((*cluster)->address(0),
                                 {.profile = options.profile, .lease = options.lease});
  if (!vigil) return Fail(vigil.error());
  const auto rounds = RunRounds(**vigil, **floor, options);
  vigil->reset();
  logs();
  if (!rounds) return Fail(rounds.error());
  return Report(*rounds, options, *description);
}

std::string DeathTable(const Json& measured) {
  std::string table = fmt::format("{:<28} {:>9} {:>9} {:>9} {:>9}\n", "ms after the SIGKILL", "min",
                                  "p50", "p99", "max");
  const std::pair<const char*, const char*> rows[] = {{"a survivor has the event", "event_ms"},
                                                      {"its claim is committed", "claim_ms"},
                                                      {"the bare chain's claim", "floor_all_ms"}};
  for (const auto& [name, field] : rows) {
    const Json& row = measured.at(field);
    table += fmt::format("{:<28} {:>9.2f} {:>9.2f} {:>9.2f} {:>9.2f}\n", name,
                         row.at("min").get<double>(), row.at("p50").get<double>(),
                         row.at("p99").get<double>(), row.at("max").get<double>());
  }
  const Json& first = measured.at("first_round_ms");
  table += fmt::format("the very first round: event {:.2f}, claim {:.2f}, bare chain {:.2f}\n",
                       first.at("event").get<double>(), first.at("claim").get<double>(),
                       first.at("floor").get<double>());
  if (measured.contains("claim_p50_over_floor")) {
    table += fmt::format("claim p50 / bare chain p50: {:.2f} (target: {})\n",
                         measured.at("claim_p50_over_floor").get<double>(), kTarget);
  }
  return table;
}

}  // namespace vigil::bench
