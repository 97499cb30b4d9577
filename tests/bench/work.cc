#include "work.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "claim_trials.h"
#include "measuring.h"
#include "measuring_clocks.h"
#include "pg/private_cluster.h"
#include "report.h"
#include "support/vigil_cluster.h"

namespace vigil::bench {
namespace {

// Of the claims that pgbench makes a second, from so many claimers on.
constexpr double kShareOfPgbench = 0.8;
constexpr int kManyClaimers = 8;

double Median(std::vector<double> numbers) {
  std::sort(numbers.begin(), numbers.end());
  return numbers[(numbers.size() - 1) / 2];
}

double MedianOf(const std::vector<ClaimRate>& rates, double ClaimRate::*kind) {
  std::vector<double> numbers;
  for (const ClaimRate& rate : rates) numbers.push_back(rate.*kind);
  return Median(std::move(numbers));
}

// The figures of one kind of trial.
struct Claims {
  ClaimRate vigil;
  ClaimRate pgbench;
};

Result<Claims> MeasureClaims(ClaimTrials& trials, const ClaimTrial& trial, int rounds) {
  using Side = ClaimTrials::Side;
  std::vector<ClaimRate> vigil;
  std::vector<ClaimRate> pgbench;
  for (int round = 0; round < rounds; ++round) {
    // In turn, and each as often before the other as after it.
    for (const bool ours : {round % 2 == 0, round % 2 != 0}) {
      const auto rate = trials.Run(ours ? Side::kVigil : Side::kPgbench, trial);
      if (!rate) return Fail(rate.error());
      (ours ? vigil : pgbench).push_back(*rate);
      fmt::print(stderr, "{:>2} claimers{}, {}: {:.0f} claims/s\n", trial.claimers,
                 trial.contended ? ", the same items" : "", ours ? "Vigil" : "pgbench", rate->won);
    }
  }
  const auto medians = [](const std::vector<ClaimRate>& rates) {
    return ClaimRate{.won = MedianOf(rates, &ClaimRate::won),
                     .lost = MedianOf(rates, &ClaimRate::lost)};
  };
  return Claims{.vigil = medians(vigil), .pgbench = medians(pgbench)};
}

Result<void> AddClaims(Json& rows, ClaimTrials& trials, const WorkOptions& options) {
  for (const int claimers : options.claimers) {
    for (const bool contended : {false, true}) {
      const auto claims = MeasureClaims(
          trials, {.claimers = claimers, .claims = options.claims, .contended = contended},
          options.rounds);
      if (!claims) return Fail(claims.error());
      const std::string name = fmt::format("{}/{}", claimers, contended ? "contended_" : "");
      rows.push_back(Row(name + "claims", claims->vigil.won, "1/s"));
      rows.push_back(Row(name + "pgbench_claims", claims->pgbench.won, "1/s"));
      if (contended) {
        rows.push_back(Row(name + "lost", claims->vigil.lost, "1/s"));
        rows.push_back(Row(name + "pgbench_lost", claims->pgbench.lost, "1/s"));
      }
      const auto target = claimers >= kManyClaimers ? std::optional(kShareOfPgbench) : std::nullopt;
      rows.push_back(RowAtLeast(name + "claims_over_pgbench",
                                claims->vigil.won / claims->pgbench.won, "ratio", target));
    }
  }
  return {};
}

}  // namespace

Result<Json> MeasureWork(const WorkOptions& options) {
  // It forks: before any thread.
  auto postgres = pg::PrivateCluster::Start({.fsync = true});
  if (!postgres) return Fail(postgres.error());
  auto description = DescribePostgres(**postgres);
  if (!description) return Fail(description.error());
  auto cluster = VigilCluster::Start(
      **postgres, {.coordinators = 1, .settings = {"--log-level", options.log_level}});
  if (!cluster) return Fail(cluster.error());
  Json rows = Json::array();
  const auto measure = [&]() -> Result<void> {
    const Duration clock_ahead = WallClockAheadOfBoot();
    auto trials = ClaimTrials::Prepare(**postgres, **cluster, std::ranges::max(options.claimers));
    if (!trials) return Fail(trials.error());
    if (auto added = AddClaims(rows, **trials, options); !added) return added;
    return RequireWallClock(clock_ahead);
  };
  const auto measured = measure();
  if (options.log_level != WorkOptions().log_level) {
    fmt::print(stderr, "{}", (*cluster)->Logs());
  }
  if (!measured) return Fail(measured.error());
  return WithPlace(Json{{"bench", "work"},
                        {"claims", options.claims},
                        {"rounds", options.rounds},
                        {"rows", std::move(rows)}},
                   std::move(*description));
}

std::string WorkTable(const Json& measured) { return RowsTable(measured.at("rows")); }

}  // namespace vigil::bench
