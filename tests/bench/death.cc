#include "death.h"

#include <fmt/format.h>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "floor_chain.h"
#include "measuring.h"
#include "pg/private_cluster.h"
#include "report.h"
#include "support/vigil_cluster.h"
#include "vigil/pod.h"
#include "vigil_chain.h"

namespace vigil::bench {
namespace {

// With a FAST victim the claim is to be committed within so many of either bare chain.
constexpr double kFloorsTarget = 2;
// So long after a lease that began at the kill the death of a STRICT victim is to be known.
constexpr Duration kStrictTarget = std::chrono::milliseconds(150);

// One kind of rounds.
struct Kind {
  client::Profile profile;
  int samples;
  int warm_up;
  Duration lease;

  bool strict() const { return profile == client::Profile::kStrict; }
};

// A pod's death does not wait for a good moment; how long that of a STRICT pod takes depends on how
// long ago its last heartbeat was.
Duration PeaceBefore(const Kind& kind) {
  constexpr Duration kShortest = std::chrono::milliseconds(20);
  const Duration range = kind.strict() ? kind.lease / 3 : std::chrono::milliseconds(100);
  return RandomPeace(kShortest, kShortest + range);
}

struct Rounds {
  std::vector<VigilRound> vigil;
  std::vector<FloorRound> floor;
  std::vector<FloorRound> lock_floor;
  // The very first, counted or not: no plan is made yet, no page touched. Deaths are rare, so this
  // is what the only one of a night would cost.
  VigilRound first_vigil;
  FloorRound first_floor;
};

// The bare chains: one notices the end of a connection, the other is granted a lock.
struct Floors {
  std::unique_ptr<FloorChain> socket;
  std::unique_ptr<FloorChain> lock;
};

Result<Floors> StartFloors(pg::PrivateCluster& postgres, int rounds) {
  auto socket = FloorChain::Start(postgres, FloorEvidence::kSocket, rounds);
  if (!socket) return Fail(socket.error());
  auto lock = FloorChain::Start(postgres, FloorEvidence::kLock, rounds);
  if (!lock) return Fail(lock.error());
  return Floors{std::move(*socket), std::move(*lock)};
}

Result<Rounds> RunRounds(VigilChain& vigil, const Floors& floors, const Kind& kind) {
  Rounds rounds;
  for (int round = -kind.warm_up; round < kind.samples; ++round) {
    Result<FloorRound> bare;
    Result<FloorRound> locked;
    const auto run_floors = [&] {
      bare = floors.socket->Run(PeaceBefore(kind));
      locked = floors.lock->Run(PeaceBefore(kind));
    };
    // In turn, and each as often before the others as after them.
    const bool floors_first = round % 2 == 0;
    if (floors_first) run_floors();
    const auto with_vigil = vigil.Run(PeaceBefore(kind));
    if (!floors_first) run_floors();
    if (!with_vigil) return Fail(with_vigil.error());
    if (!bare) return Fail(bare.error());
    if (!locked) return Fail(locked.error());
    if (round == -kind.warm_up) {
      rounds.first_vigil = *with_vigil;
      rounds.first_floor = *bare;
    }
    if (round >= 0) {
      rounds.vigil.push_back(*with_vigil);
      rounds.floor.push_back(*bare);
      rounds.lock_floor.push_back(*locked);
    }
    fmt::print(stderr,
               "{} {} {:>3}: event {:.2f} ms, claim {:.2f} ms, floors {:.2f} and {:.2f} ms\n",
               kind.strict() ? "STRICT" : "FAST", round < 0 ? "warm-up" : "round  ",
               round < 0 ? round + kind.warm_up + 1 : round + 1, Milliseconds(with_vigil->event),
               Milliseconds(with_vigil->claimed), Milliseconds(bare->claimed),
               Milliseconds(locked->claimed));
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
  return {{"noticed", Milliseconds(Of(rounds, &FloorRound::noticed).p50)},
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
Json RowsOf(const Json& report, const Kind& kind) {
  const std::string prefix = kind.strict() ? "strict/" : "";
  Json rows = Json::array();
  for (const char* field : {"event_ms", "claim_ms", "floor_all_ms", "lock_floor_all_ms"}) {
    const std::string name(field, std::string_view(field).find("_ms"));
    for (const auto& [rank, value] : report.at(field).items()) {
      const std::string row = fmt::format("{}{}_{}", prefix, name, rank);
      const auto target = row == "strict/event_p99"
                              ? std::optional(Milliseconds(kind.lease + kStrictTarget))
                              : std::nullopt;
      rows.push_back(Row(row, value.get<double>(), "ms", target));
    }
  }
  for (const char* ratio : {"claim_p50_over_floor", "claim_p50_over_lock_floor"}) {
    if (!report.contains(ratio)) continue;
    rows.push_back(Row(ratio, report.at(ratio).get<double>(), "ratio", kFloorsTarget));
  }
  return rows;
}

Json Report(const Rounds& rounds, const Kind& kind) {
  const Summary claim = Of(rounds.vigil, &VigilRound::claimed);
  const Summary floor = Of(rounds.floor, &FloorRound::claimed);
  const Summary lock_floor = Of(rounds.lock_floor, &FloorRound::claimed);
  Json report{{"profile", kind.strict() ? "strict" : "fast"},
              {"lease_ms", Milliseconds(kind.lease)},
              {"samples", kind.samples},
              {"warm_up", kind.warm_up},
              {"event_ms", ToJson(Of(rounds.vigil, &VigilRound::event))},
              {"claim_ms", ToJson(claim)},
              {"floor_ms", Milliseconds(floor.p50)},
              {"floor_all_ms", ToJson(floor)},
              {"lock_floor_all_ms", ToJson(lock_floor)},
              {"hops_p50_ms", HopsOf(rounds.vigil)},
              {"floor_hops_p50_ms", HopsOf(rounds.floor)},
              {"lock_floor_hops_p50_ms", HopsOf(rounds.lock_floor)},
              {"first_round_ms",
               {{"event", Milliseconds(rounds.first_vigil.event)},
                {"claim", Milliseconds(rounds.first_vigil.claimed)},
                {"floor", Milliseconds(rounds.first_floor.claimed)}}}};
  // STRICT waits for the lease, which no bare chain does.
  if (!kind.strict()) {
    const double claimed = Milliseconds(claim.p50);
    report["claim_p50_over_floor"] = claimed / Milliseconds(floor.p50);
    report["claim_p50_over_lock_floor"] = claimed / Milliseconds(lock_floor.p50);
  }
  report["rows"] = RowsOf(report, kind);
  return report;
}

Result<Json> Measure(const VigilCluster& cluster, const Floors& floors, const Kind& kind) {
  auto vigil = VigilChain::Start(
      cluster.address(0),
      {.ns = kind.strict() ? "strict" : "fast", .profile = kind.profile, .lease = kind.lease});
  if (!vigil) return Fail(vigil.error());
  const auto rounds = RunRounds(**vigil, floors, kind);
  if (!rounds) return Fail(rounds.error());
  return Report(*rounds, kind);
}

// One object for all kinds: what the first says, the others below it, and the rows of all.
Json Together(const std::vector<Json>& reports) {
  Json whole{{"bench", "death"}};
  whole.update(reports.front());
  for (size_t i = 1; i < reports.size(); ++i) {
    Json other = reports[i];
    for (const Json& row : other.at("rows")) whole["rows"].push_back(row);
    other.erase("rows");
    const std::string profile = other.at("profile");
    whole[profile] = std::move(other);
  }
  return whole;
}

std::string TableOf(const Json& report) {
  const char* profile = report.at("profile") == "strict" ? "STRICT" : "FAST";
  std::string table =
      fmt::format("{:<28} {:>9} {:>9} {:>9} {:>9}\n",
                  fmt::format("{}, ms after the SIGKILL", profile), "min", "p50", "p99", "max");
  const std::pair<const char*, const char*> rows[] = {{"a survivor has the event", "event_ms"},
                                                      {"its claim is committed", "claim_ms"},
                                                      {"the bare chain's claim", "floor_all_ms"},
                                                      {"the same by a lock", "lock_floor_all_ms"}};
  for (const auto& [name, field] : rows) {
    const Json& row = report.at(field);
    table += fmt::format("{:<28} {:>9.2f} {:>9.2f} {:>9.2f} {:>9.2f}\n", name,
                         row.at("min").get<double>(), row.at("p50").get<double>(),
                         row.at("p99").get<double>(), row.at("max").get<double>());
  }
  const Json& first = report.at("first_round_ms");
  table += fmt::format("the very first round: event {:.2f}, claim {:.2f}, bare chain {:.2f}\n",
                       first.at("event").get<double>(), first.at("claim").get<double>(),
                       first.at("floor").get<double>());
  return table;
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
  auto floors =
      StartFloors(**postgres, options.fast_samples + options.strict_samples + 2 * options.warm_up);
  if (!floors) return Fail(floors.error());
  std::vector<Json> reports;
  const auto measure = [&]() -> Result<void> {
    for (const auto& [profile, samples] :
         {std::pair(client::Profile::kFast, options.fast_samples),
          std::pair(client::Profile::kStrict, options.strict_samples)}) {
      if (samples == 0) continue;
      auto report = Measure(**cluster, *floors, {profile, samples, options.warm_up, options.lease});
      if (!report) return Fail(report.error());
      reports.push_back(std::move(*report));
    }
    return {};
  };
  const auto measured = measure();
  if (options.log_level != DeathOptions().log_level) fmt::print(stderr, "{}", (*cluster)->Logs());
  if (!measured) return Fail(measured.error());
  return WithPlace(Together(reports), std::move(*description));
}

std::string DeathTable(const Json& measured) {
  std::string table = TableOf(measured);
  if (measured.contains("strict")) table += "\n" + TableOf(measured.at("strict"));
  for (const Json& row : measured.at("rows")) {
    if (!row.at("target").is_null()) table += "\n" + RowsTable(Json::array({row}));
  }
  return table;
}

}  // namespace vigil::bench
