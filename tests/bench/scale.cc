#include "scale.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "measuring.h"
#include "pg/private_cluster.h"
#include "report.h"
#include "scale_round.h"

namespace vigil::bench {
namespace {

// Of everything that the raw echo costs, so much is allowed.
constexpr double kTarget = 1.5;
// Of that, in bytes, what is a pod's own.
constexpr double kOwnShare = 4096;
constexpr double kExponent = 1.05;
constexpr double kProbeTarget = 15;
// One of all locks, and what the edges of a window bring.
constexpr double kProbesTarget = 1.1;
// What does not differ by more is the same.
constexpr double kNoise = 1.25;
// From so many pods on, what a server costs by itself does not count.
constexpr int kMany = 1000;
// Of the private Postgres.
constexpr int kMaxConnections = 200;

// As the page about operations has it: for pods that move, and the share that is left free.
int LocksPerTransaction(int pods) {
  return std::max(64, 1 + 2 * pods * 10 / (8 * kMaxConnections));
}

double PerSecond(Duration used, const Use& use) {
  return static_cast<double>(used.count()) / static_cast<double>(use.window.count()) * 1e3;
}

double PerBeat(Duration steady, Duration idle, const PodCrowd::Beats& beats) {
  return Microseconds(steady - idle) / static_cast<double>(std::max<int64_t>(1, beats.answered));
}

Json RowsOf(const ScaleRound& round, const std::string& name, const ScaleRoundOptions& options) {
  Figures figures(name);
  const auto target = [&](double value) {
    return options.pods >= kMany ? std::optional(value) : std::nullopt;
  };
  const auto& [vigil, echo, latest, unanswered] = round.beaten;
  const double as_long = static_cast<double>(round.steady.window.count()) /
                         static_cast<double>(round.idle.window.count());
  const auto idle = [&](Duration used) {
    return std::chrono::duration_cast<Duration>(used * as_long);
  };
  figures.Compare("cpu_per_heartbeat",
                  PerBeat(round.steady.coordinators, idle(round.idle.coordinators), vigil),
                  PerBeat(round.steady.echo, idle(round.idle.echo), echo), "us", target(kTarget));
  figures.Compare("answered_p50", Milliseconds(vigil.took.p50), Milliseconds(echo.took.p50), "ms",
                  {});
  figures.Compare("answered_p99", Milliseconds(vigil.took.p99), Milliseconds(echo.took.p99), "ms",
                  {});
  figures.Compare("memory_per_pod", round.memory.coordinators, round.memory.echo, "bytes",
                  target(kTarget));
  figures.Add("memory_per_pod_own", round.memory.coordinators - round.memory.echo, "bytes",
              target(kOwnShare));
  figures.Add("database_memory_per_pod", round.memory.database, "bytes");
  figures.Add("coordinators_cpu", PerSecond(round.steady.coordinators, round.steady), "ms/s");
  figures.Add("coordinators_idle_cpu", PerSecond(round.idle.coordinators, round.idle), "ms/s");
  const double database = PerSecond(round.steady.database, round.steady);
  figures.Add("database_cpu", database, "ms/s");
  figures.Add("database_idle_cpu", PerSecond(round.idle.database, round.idle), "ms/s");
  figures.Add("database_cpu_per_pod", database * 1e3 / options.pods, "us/s");
  figures.Add("probes_per_interval", round.probes_per_interval, "probes",
              options.coordinators > 1 ? std::optional(kProbesTarget) : std::nullopt);
  figures.Add("registrations", options.pods * 1e3 / Milliseconds(round.registered), "1/s");
  figures.Add("registered_after", Milliseconds(round.registered), "ms");
  if (!round.probes.empty()) {
    const Summary probes = Summarize(round.probes);
    figures.Add("probe_p50", Milliseconds(probes.p50), "ms", kProbeTarget);
    figures.Add("probe_p99", Milliseconds(probes.p99), "ms");
  }
  if (const auto& items = round.items) {
    figures.Add("items_started", options.items * 1e3 / Milliseconds(items->started), "1/s");
    figures.Add("items_coordinators_cpu_over_none",
                PerSecond(items->steady.coordinators, items->steady) /
                    PerSecond(round.steady.coordinators, round.steady),
                "ratio", target(kNoise));
    figures.Add("items_database_cpu_over_none",
                PerSecond(items->steady.database, items->steady) / database, "ratio",
                target(kNoise));
  }
  figures.Add("generator_cpu", PerSecond(round.steady.generator, round.steady), "ms/s");
  figures.Add("generator_latest", Milliseconds(latest), "ms");
  figures.Add("unanswered", static_cast<double>(unanswered), "heartbeats", 0);
  return figures.Take();
}

struct Point {
  double pods = 0;
  double cost = 0;
};

// The slope of the line that is nearest to them where both axes are logarithms: a cost that grows
// with the power x of the number of pods has x.
double ExponentOf(const std::vector<Point>& points) {
  double x = 0, y = 0, xx = 0, xy = 0;
  for (const auto& [pods, cost] : points) {
    x += std::log(pods);
    y += std::log(cost);
    xx += std::log(pods) * std::log(pods);
    xy += std::log(pods) * std::log(cost);
  }
  const auto n = static_cast<double>(points.size());
  return (n * xy - x * y) / (n * xx - x * x);
}

class Rounds {
 public:
  Rounds(pg::PrivateCluster& postgres, const ScaleOptions& options)
      : postgres_(postgres), options_(options) {}

  Result<Json> Run() {
    for (const int pods : options_.pods) {
      const bool last = pods == options_.pods.back();
      auto shared = RoundOf(pods);
      shared.pods_per_connection = options_.pods_per_connection;
      shared.probes = true;
      if (last) shared.items = options_.items;
      const auto round = Measure(fmt::format("{}/shared", pods), shared);
      if (!round) return Fail(round.error());
      database_.push_back({1.0 * pods, PerSecond(round->steady.database, round->steady)});
      coordinator_.push_back({1.0 * pods, PerSecond(round->steady.coordinators, round->steady)});
    }
    for (const int pods : options_.own) {
      if (pods == 0) continue;
      const auto round = Measure(fmt::format("{}/own", pods), RoundOf(pods));
      if (!round) return Fail(round.error());
    }
    if (options_.coordinators > 1) {
      auto several = RoundOf(options_.pods.back());
      several.coordinators = options_.coordinators;
      several.pods_per_connection = options_.pods_per_connection;
      const auto round =
          Measure(fmt::format("{}/over_{}", several.pods, several.coordinators), several);
      if (!round) return Fail(round.error());
    }
    if (options_.pods.size() > 1) {
      rows_.push_back(Row("database_cpu_exponent", ExponentOf(database_), "power", kExponent));
      rows_.push_back(Row("coordinator_cpu_exponent", ExponentOf(coordinator_), "power"));
    }
    return std::move(rows_);
  }

 private:
  ScaleRoundOptions RoundOf(int pods) const {
    return {.pods = pods,
            .window = std::chrono::seconds(options_.seconds),
            .log_level = options_.log_level};
  }

  Result<ScaleRound> Measure(const std::string& name, const ScaleRoundOptions& options) {
    auto round = RunScaleRound(postgres_, options);
    if (!round) return round;
    Json rows = RowsOf(*round, name, options);
    fmt::print(
        stderr,
        "{}: {:.1f} us of a coordinator for a heartbeat, echo {:.1f}; Postgres {:.2f} ms/s\n", name,
        rows[0].at("value").get<double>(), rows[1].at("value").get<double>(),
        PerSecond(round->steady.database, round->steady));
    for (Json& row : rows) rows_.push_back(std::move(row));
    return round;
  }

  pg::PrivateCluster& postgres_;
  const ScaleOptions options_;
  Json rows_ = Json::array();
  std::vector<Point> database_;
  std::vector<Point> coordinator_;
};

}  // namespace

Result<Json> MeasureScale(const ScaleOptions& options) {
  const int own = std::ranges::max(options.own);
  const int most = std::max(own, std::ranges::max(options.pods));
  // The generator has one for each pod and one for its echo; a coordinator lets connections have
  // half of its files.
  if (auto allowed = AllowConnections(2 * own); !allowed) return Fail(allowed.error());
  // It forks: before any thread.
  auto postgres = pg::PrivateCluster::Start(
      {.fsync = true,
       .settings = {{"max_connections", std::to_string(kMaxConnections)},
                    {"max_locks_per_transaction", std::to_string(LocksPerTransaction(most))}}});
  if (!postgres) return Fail(postgres.error());
  auto description = DescribePostgres(**postgres);
  if (!description) return Fail(description.error());
  auto rows = Rounds(**postgres, options).Run();
  if (!rows) return Fail(rows.error());
  return WithPlace(Json{{"bench", "scale"},
                        {"seconds", options.seconds},
                        {"pods_per_connection", options.pods_per_connection},
                        {"items", options.items},
                        {"rows", std::move(*rows)}},
                   std::move(*description));
}

std::string ScaleTable(const Json& measured) { return RowsTable(measured.at("rows")); }

}  // namespace vigil::bench
