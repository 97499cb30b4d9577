#include "fanout.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>

#include "fanout_round.h"
#include "measuring.h"
#include "pg/private_cluster.h"
#include "report.h"
#include "slow_subscriber.h"

namespace vigil::bench {
namespace {

// Of everything that the raw fan-out costs, so much is allowed.
constexpr double kTarget = 1.5;
// By default a subscriber's queue is bounded to 4 MiB. As much again is for what the estimate of a
// message misses, and for the page that the reader holds.
constexpr double kSlowTarget = 2 * 4 * 1024 * 1024;
// From so many subscribers on, what an event costs by itself does not count.
constexpr int kMany = 1000;

Json RowsOf(const FanoutRound& round, int subscribers) {
  Figures figures(std::to_string(subscribers));
  const FanoutCosts& vigil = round.vigil;
  const FanoutCosts& raw = round.raw;
  const auto received = [&](const char* name, Duration Summary::*rank) {
    figures.Compare(name, Milliseconds(vigil.received.*rank), Milliseconds(raw.received.*rank),
                    "ms", kTarget);
  };
  received("received_p50", &Summary::p50);
  received("received_p99", &Summary::p99);
  figures.Add("raw_acknowledged_p50", Milliseconds(round.acknowledged.p50), "ms");
  figures.Add("received_from_elsewhere_p50", Milliseconds(round.elsewhere.p50), "ms");
  figures.Add("received_from_elsewhere_p99", Milliseconds(round.elsewhere.p99), "ms");
  // A single subscriber's share of an event is all of the event.
  const bool many = subscribers >= kMany;
  const auto target = many ? std::optional(kTarget) : std::nullopt;
  figures.Compare("bytes_per_event", vigil.bytes, raw.bytes, "bytes", target);
  figures.Compare("cpu_per_event", Microseconds(vigil.processor_time),
                  Microseconds(raw.processor_time), "us", target);
  figures.Compare("memory_per_idle_subscriber", vigil.memory, raw.memory, "bytes", target);
  return figures.Take();
}

}  // namespace

Result<Json> MeasureFanout(const FanoutOptions& options) {
  if (auto raised = AllowConnections(std::ranges::max(options.subscribers)); !raised) {
    return Fail(raised.error());
  }
  // It forks: before any thread.
  auto postgres =
      pg::PrivateCluster::Start({.fsync = true, .settings = {{"track_commit_timestamp", "on"}}});
  if (!postgres) return Fail(postgres.error());
  auto description = DescribePostgres(**postgres);
  if (!description) return Fail(description.error());
  Json rows = Json::array();
  for (const int subscribers : options.subscribers) {
    const auto round = RunFanoutRound(**postgres, {.subscribers = subscribers,
                                                   .samples = options.samples,
                                                   .warm_up = options.warm_up,
                                                   .log_level = options.log_level});
    if (!round) return Fail(round.error());
    fmt::print(stderr, "{:>5} subscribers: p50 {:.2f} ms, raw {:.2f}; p99 {:.2f} ms, raw {:.2f}\n",
               subscribers, Milliseconds(round->vigil.received.p50),
               Milliseconds(round->raw.received.p50), Milliseconds(round->vigil.received.p99),
               Milliseconds(round->raw.received.p99));
    for (Json& row : RowsOf(*round, subscribers)) rows.push_back(std::move(row));
  }
  const auto slow = MeasureSlowSubscriber(**postgres);
  if (!slow) return Fail(slow.error());
  rows.push_back(Row("slow_subscriber", *slow, "bytes", kSlowTarget));
  return WithPlace(Json{{"bench", "fanout"},
                        {"samples", options.samples},
                        {"warm_up", options.warm_up},
                        {"rows", std::move(rows)}},
                   std::move(*description));
}

std::string FanoutTable(const Json& measured) { return RowsTable(measured.at("rows")); }

}  // namespace vigil::bench
