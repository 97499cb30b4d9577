#include "fanout.h"

#include <fmt/format.h>
#include <sys/resource.h>

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
// What a process has open beside one connection for each subscriber.
constexpr rlim_t kOtherFiles = 500;

// For the servers and the subscribers, which inherit it.
Result<void> RaiseFileLimit(int subscribers) {
  const rlim_t needed = static_cast<rlim_t>(subscribers) + kOtherFiles;
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= needed) return {};
  limit.rlim_cur = needed;
  limit.rlim_max = std::max(limit.rlim_max, needed);
  if (setrlimit(RLIMIT_NOFILE, &limit) == 0) return {};
  return Fail(Error{
      .code = Code::kFailedPrecondition,
      .reason = "INTERNAL",
      .message = fmt::format("{} subscribers need {} open files in a process", subscribers, needed),
      .hint =
          fmt::format("Allow them (ulimit -Hn {}), or measure fewer with --subscribers.", needed)});
}

// The rows of one round.
class Figures {
 public:
  explicit Figures(int subscribers) : subscribers_(subscribers) {}

  void Add(const std::string& name, double value, const char* unit,
           std::optional<double> target = {}) {
    rows_.push_back(Row(fmt::format("{}/{}", subscribers_, name), value, unit, target));
  }

  // Ours, the raw one's, and how many of those it is.
  void Compare(const std::string& name, double vigil, double raw, const char* unit,
               std::optional<double> target) {
    Add(name, vigil, unit);
    Add("raw_" + name, raw, unit);
    Add(name + "_over_raw", raw > 0 ? vigil / raw : 0, "ratio", target);
  }

  Json Take() { return std::move(rows_); }

 private:
  const int subscribers_;
  Json rows_ = Json::array();
};

double Microseconds(Duration duration) { return static_cast<double>(duration.count()) / 1e3; }

Json RowsOf(const FanoutRound& round, int subscribers) {
  Figures figures(subscribers);
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
  if (auto raised = RaiseFileLimit(std::ranges::max(options.subscribers)); !raised) {
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
  return Json{{"bench", "fanout"},
              {"samples", options.samples},
              {"warm_up", options.warm_up},
              {"rows", std::move(rows)},
              {"postgres", std::move(*description)},
              {"vigil", VIGIL_VERSION},
              {"machine", DescribeMachine()}};
}

std::string FanoutTable(const Json& measured) { return RowsTable(measured.at("rows")); }

}  // namespace vigil::bench
