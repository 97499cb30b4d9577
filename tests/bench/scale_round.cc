#include "scale_round.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "database_cost.h"
#include "http/ask.h"
#include "measuring.h"
#include "measuring_clocks.h"
#include "pg/connection.h"
#include "process_cost.h"
#include "query.h"
#include "start_items.h"
#include "statement_times.h"
#include "support/metrics_text.h"
#include "support/vigil_cluster.h"

namespace vigil::bench {
namespace {

constexpr auto kNamespace = "bench";
// Everybody has been there for so long before anything is measured, or for as long as a window.
constexpr Duration kSettling = std::chrono::seconds(3);
constexpr Duration kProbeInterval = std::chrono::milliseconds(500);
constexpr size_t kStarters = 16;
// Beyond this, housekeeping has failed.
constexpr Duration kHousekeeping = std::chrono::seconds(60);

constexpr pg::Statement kLivingPods{"living_pods", "SELECT incarnation FROM vigil.pods"};

Use operator-(const Use& after, const Use& before) {
  return {.window = after.window - before.window,
          .coordinators = after.coordinators - before.coordinators,
          .echo = after.echo - before.echo,
          .database = after.database - before.database,
          .generator = after.generator - before.generator};
}

class Round {
 public:
  Round(pg::PrivateCluster& postgres, const ScaleRoundOptions& options)
      : postgres_(postgres), options_(options) {}

  Result<ScaleRound> Run();

  std::string Logs() const { return cluster_ ? cluster_->Logs() : ""; }

 private:
  Result<void> StartServers();
  Result<void> Join();
  Result<void> MeasureSteady();
  Result<void> TimeProbes();
  Result<void> StartItemsOfAll();

  // Until everything that autovacuum and checkpoints would have done sooner or later is done.
  Result<void> Settle();
  Result<Use> Window();
  Result<Use> UsedSoFar() const;
  // Of all of them, not of each.
  Result<Memory> MemoryNow() const;
  Result<double> ProbesSoFar() const;

  pg::PrivateCluster& postgres_;
  const ScaleRoundOptions options_;
  std::unique_ptr<Process> echo_;
  std::string echo_address_;
  std::unique_ptr<PodCrowd> crowd_;
  // Gone before the crowd, whose pods it would otherwise declare DEAD.
  std::unique_ptr<VigilCluster> cluster_;
  ScaleRound measured_;
};

Result<void> Round::StartServers() {
  const std::string most = std::to_string(options_.pods + 1);
  auto cluster = VigilCluster::Start(
      postgres_, {.coordinators = options_.coordinators,
                  .settings = {"--log-level", options_.log_level, "--max-pods", most}});
  if (!cluster) return Fail(cluster.error());
  cluster_ = std::move(*cluster);
  auto program = FindBuilt("vigil_bench_raw_echo");
  if (!program) return Fail(program.error());
  auto echo = Process::Spawn({.command = {*program}});
  if (!echo) return Fail(echo.error());
  echo_ = std::move(*echo);
  const auto port = AwaitWords(*echo_, "listening ");
  if (!port) return Fail(port.error());
  echo_address_ = "127.0.0.1:" + *port;
  return {};
}

Result<void> Round::Settle() {
  const Instant deadline = Now() + kHousekeeping;
  auto connection = pg::Connection::Open({.conninfo = cluster_->Conninfo()}, deadline);
  if (!connection) return Fail(connection.error().error);
  for (const char* statement : {"VACUUM ANALYZE", "CHECKPOINT"}) {
    auto done = (*connection)->ExecuteScript(statement, deadline);
    if (!done) return Fail(done.error().error);
  }
  return LeaveInPeace(*echo_, std::min(kSettling, options_.window));
}

Result<Use> Round::UsedSoFar() const {
  Use use{.window = Now().time_since_epoch()};
  const auto add = [](Duration& sum, const Result<Duration>& used) -> Result<void> {
    if (!used) return Fail(used.error());
    sum += *used;
    return {};
  };
  Result<void> added;
  for (int place = 0; added && place < cluster_->size(); ++place) {
    added = add(use.coordinators, ProcessorTimeOf(cluster_->coordinator(place).pid()));
  }
  if (added) added = add(use.echo, ProcessorTimeOf(echo_->pid()));
  if (added) added = add(use.database, DatabaseTimeOf(postgres_.postmaster()));
  if (added && crowd_) added = add(use.generator, ProcessorTimeOf(crowd_->pid()));
  if (!added) return Fail(added.error());
  return use;
}

Result<Use> Round::Window() {
  auto before = UsedSoFar();
  if (!before) return before;
  if (auto lived = LeaveInPeace(*echo_, options_.window); !lived) return Fail(lived.error());
  auto after = UsedSoFar();
  if (!after) return after;
  return *after - *before;
}

Result<Memory> Round::MemoryNow() const {
  Memory memory;
  for (int place = 0; place < cluster_->size(); ++place) {
    const auto one = MemoryOf(cluster_->coordinator(place).pid());
    if (!one) return Fail(one.error());
    memory.coordinators += static_cast<double>(*one);
  }
  const auto echo = MemoryOf(echo_->pid());
  if (!echo) return Fail(echo.error());
  const auto database = DatabaseMemoryOf(postgres_.postmaster());
  if (!database) return Fail(database.error());
  memory.echo = static_cast<double>(*echo);
  memory.database = static_cast<double>(*database);
  return memory;
}

Result<void> Round::Join() {
  const auto before = MemoryNow();
  if (!before) return Fail(before.error());
  auto crowd = PodCrowd::Join({.ns = kNamespace,
                               .pods = options_.pods,
                               .pods_per_connection = options_.pods_per_connection,
                               .echo_address = echo_address_,
                               .addresses = cluster_->Addresses()});
  if (!crowd) return Fail(crowd.error());
  crowd_ = std::move(*crowd);
  measured_.registered = crowd_->registered();
  if (auto settled = Settle(); !settled) return settled;
  const auto after = MemoryNow();
  if (!after) return Fail(after.error());
  measured_.memory = {.coordinators = (after->coordinators - before->coordinators) / options_.pods,
                      .echo = (after->echo - before->echo) / options_.pods,
                      .database = (after->database - before->database) / options_.pods};
  return {};
}

Result<double> Round::ProbesSoFar() const {
  double probes = 0;
  for (int place = 0; place < cluster_->size(); ++place) {
    const auto scrape = Ask(cluster_->http_address(place), "/metrics", kStartLimit);
    if (!scrape) return Fail(scrape.error());
    probes += MetricsText(scrape->body).Sum("vigil_probe_seconds_count");
  }
  return probes;
}

Result<void> Round::MeasureSteady() {
  const auto probes_before = ProbesSoFar();
  if (!probes_before) return Fail(probes_before.error());
  if (auto forgotten = crowd_->Count(); !forgotten) return Fail(forgotten.error());
  auto use = Window();
  if (!use) return Fail(use.error());
  measured_.steady = *use;
  auto beaten = crowd_->Count();
  if (!beaten) return Fail(beaten.error());
  measured_.beaten = *beaten;
  const auto probes_after = ProbesSoFar();
  if (!probes_after) return Fail(probes_after.error());
  const double intervals = static_cast<double>(use->window.count()) / kProbeInterval.count();
  measured_.probes_per_interval = (*probes_after - *probes_before) / intervals;
  return {};
}

Result<void> Round::TimeProbes() {
  const auto times = StatementTimes::Begin(postgres_);
  if (!times) return Fail(times.error());
  if (auto lived = LeaveInPeace(*echo_, options_.window); !lived) return lived;
  measured_.probes = (*times)->Of("probe");
  if (!measured_.probes.empty()) return {};
  return Fail(Unmeasurable("Postgres has logged no probe"));
}

Result<void> Round::StartItemsOfAll() {
  const auto rows = Query(cluster_->Conninfo(), kLivingPods);
  if (!rows) return Fail(rows.error());
  std::vector<uint64_t> pods;
  for (pg::Row row : *rows) pods.push_back(static_cast<uint64_t>(row.Bigint()));
  ScaleRound::Items items;
  const Instant begun = Now();
  if (auto started = StartItems(cluster_->address(0), kNamespace, pods,
                                options_.items / options_.pods, kStarters);
      !started) {
    return started;
  }
  items.started = Now() - begun;
  if (auto settled = Settle(); !settled) return settled;
  auto use = Window();
  if (!use) return Fail(use.error());
  items.steady = *use;
  measured_.items = items;
  return {};
}

Result<ScaleRound> Round::Run() {
  if (auto started = StartServers(); !started) return Fail(started.error());
  if (auto settled = Settle(); !settled) return Fail(settled.error());
  auto idle = Window();
  if (!idle) return Fail(idle.error());
  measured_.idle = *idle;
  if (auto joined = Join(); !joined) return Fail(joined.error());
  if (auto steady = MeasureSteady(); !steady) return Fail(steady.error());
  if (options_.probes) {
    if (auto timed = TimeProbes(); !timed) return Fail(timed.error());
  }
  if (options_.items > 0) {
    if (auto items = StartItemsOfAll(); !items) return Fail(items.error());
  }
  // Whoever was refused a lease has ended its process.
  if (auto lived = crowd_->Count(); !lived) return Fail(lived.error());
  return std::move(measured_);
}

}  // namespace

Result<ScaleRound> RunScaleRound(pg::PrivateCluster& postgres, const ScaleRoundOptions& options) {
  Round round(postgres, options);
  auto measured = round.Run();
  if (options.log_level != ScaleRoundOptions().log_level) {
    fmt::print(stderr, "{}", round.Logs());
  }
  return measured;
}

}  // namespace vigil::bench
