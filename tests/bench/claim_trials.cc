#include "claim_trials.h"

#include <fmt/format.h>

#include <chrono>
#include <sstream>
#include <string>
#include <utility>

#include "measuring.h"
#include "support/event_recorder.h"
#include "support/process.h"
#include "vigil/work.h"

namespace vigil::bench {
namespace {

constexpr auto kNamespace = "claims";
constexpr Duration kTrialLimit = std::chrono::seconds(300);

// Copies of what the owner $2 has left, so that they are whatever the coordinator makes of an item.
constexpr pg::Statement kCopyItem{
    "copy_item",
    "INSERT INTO vigil.work_items"
    " SELECT copy.* FROM vigil.work_items AS item, generate_series($3, $3 + $4 - 1) AS number,"
    "        LATERAL jsonb_populate_record(item, jsonb_build_object('key', number::text)) AS copy"
    "  WHERE item.namespace = $1 AND item.key = 'left-by-' || $2"};

constexpr pg::Statement kAnalyze{"analyze", "ANALYZE vigil.work_items, vigil.pods", /*once=*/true};

constexpr pg::Statement kReadHead{"read_head", "SELECT head FROM vigil.namespaces WHERE name = $1"};

constexpr pg::Statement kReadClaims{
    "read_claims",
    "SELECT occurred_at FROM vigil.events"
    " WHERE namespace = $1 AND seq > $2 AND kind = 'WORK_CLAIMED' ORDER BY seq"};

// Claimer c is the pod `first + c`.
bool AreConsecutive(const std::vector<uint64_t>& incarnations) {
  for (size_t i = 0; i < incarnations.size(); ++i) {
    if (incarnations[i] != incarnations.front() + i) return false;
  }
  return true;
}

// Of what happened at these times, in microseconds, without the first and the last tenth.
Result<double> RateOf(const std::vector<int64_t>& times) {
  const size_t margin = times.size() / 10;
  const size_t last = times.size() - 1 - margin;
  if (times.size() < 3 || times[last] <= times[margin]) {
    return Fail(Unmeasurable("too few claims to tell how fast they were"));
  }
  return static_cast<double>(last - margin) * 1e6 /
         static_cast<double>(times[last] - times[margin]);
}

}  // namespace

Result<std::unique_ptr<ClaimTrials>> ClaimTrials::Prepare(const pg::PrivateCluster& postgres,
                                                          const VigilCluster& cluster,
                                                          int claimers) {
  std::unique_ptr<ClaimTrials> trials(new ClaimTrials(cluster));
  auto connection = pg::Connection::Open({.conninfo = cluster.Conninfo()}, Now() + kStartLimit);
  if (!connection) return Fail(connection.error().error);
  trials->connection_ = std::move(*connection);
  auto pgbench = Pgbench::Prepare(postgres, cluster.Conninfo());
  if (!pgbench) return Fail(pgbench.error());
  trials->pgbench_ = std::move(*pgbench);
  auto claimants = MortalPods::Register(cluster.address(0), kNamespace, "claimant", claimers);
  if (!claimants) return Fail(claimants.error());
  trials->claimants_ = std::move(*claimants);
  if (auto left = trials->LeaveItems(claimers); !left) return Fail(left.error());
  if (AreConsecutive(trials->owners_) && AreConsecutive(trials->claimants_->Living())) {
    return trials;
  }
  return Fail(Unmeasurable("the numbers of the pods are not consecutive"));
}

Result<void> ClaimTrials::LeaveItems(int owners) {
  auto client = cluster_.Connect();
  if (!client) return Fail(client.error());
  auto pods = MortalPods::Register(cluster_.address(0), kNamespace, "owner", owners);
  if (!pods) return Fail(pods.error());
  owners_ = (*pods)->Living();
  const client::Work work(*client, kNamespace);
  for (const uint64_t owner : owners_) {
    const auto started = work.Start(client::Incarnation(owner), fmt::format("left-by-{}", owner));
    if (!started) return Fail(Unmeasurable(client::Describe(started.error())));
    const bool first = owner == owners_.front();
    if (!first && started->item.fence.value() != fence_) {
      return Fail(Unmeasurable("new items have different fences"));
    }
    fence_ = started->item.fence.value();
  }
  EventRecorder recorder(*client, kNamespace);
  for (int owner = 0; owner < owners; ++owner) {
    const client::Incarnation killed((*pods)->KillNext());
    if (recorder.Await(Of(client::EventKind::kPodDied, killed), kStartLimit)) continue;
    return Fail(Unmeasurable("a pod was killed and does not die"));
  }
  return {};
}

Result<pg::Rows> ClaimTrials::Query(const pg::Statement& statement, pg::Params params,
                                    bool changes) {
  auto rows = connection_->Execute({.steps = {{&statement, std::move(params)}}, .changes = changes},
                                   Now() + kStartLimit);
  if (!rows) return Fail(rows.error().error);
  return std::move(rows->front());
}

Result<ClaimPlan> ClaimTrials::MakeOrphans(const ClaimTrial& trial) {
  const int each = trial.claims / trial.claimers;
  const ClaimPlan plan{.ns = kNamespace,
                       .claimers = trial.claimers,
                       .claims = each,
                       .first_key = next_key_,
                       .key_stride = trial.contended ? 0 : each,
                       .owner_stride = trial.contended ? 0 : 1,
                       .first_claimant = claimants_->Living().front(),
                       .first_owner = owners_.front(),
                       .fence = fence_};
  const int ranges = trial.contended ? 1 : trial.claimers;
  for (int range = 0; range < ranges; ++range) {
    const auto owner = static_cast<int64_t>(owners_[static_cast<size_t>(range)]);
    auto copied = Query(kCopyItem, {plan.ns, std::to_string(owner), next_key_, each}, true);
    if (!copied) return Fail(copied.error());
    next_key_ += each;
  }
  auto analyzed = Query(kAnalyze, {}, true);
  if (!analyzed) return Fail(analyzed.error());
  return plan;
}

Result<void> ClaimTrials::ClaimThroughVigil(const ClaimPlan& plan) const {
  auto program = FindBuilt("vigil_bench_claimers");
  if (!program) return Fail(program.error());
  std::vector<std::string> command{*program, cluster_.address(0), plan.ns};
  for (const int64_t number : {int64_t{plan.claimers}, int64_t{plan.claims}, plan.first_key,
                               plan.key_stride, plan.owner_stride}) {
    command.push_back(std::to_string(number));
  }
  for (const uint64_t number : {plan.first_claimant, plan.first_owner, plan.fence}) {
    command.push_back(std::to_string(number));
  }
  auto claimers = Process::Spawn({.command = std::move(command)});
  if (!claimers) return Fail(claimers.error());
  auto claimed = AwaitWords(**claimers, "claimed ", kTrialLimit);
  if (!claimed) return Fail(claimed.error());
  int won = 0;
  std::istringstream(*claimed) >> won;
  const int items = plan.key_stride == 0 ? plan.claims : plan.claims * plan.claimers;
  if (won == items) return {};
  return Fail(Unmeasurable(fmt::format("{} items were won {} times", items, won)));
}

Result<ClaimRate> ClaimTrials::Run(Side side, const ClaimTrial& trial) {
  const auto plan = MakeOrphans(trial);
  if (!plan) return Fail(plan.error());
  auto head = Query(kReadHead, {plan->ns}, false);
  if (!head) return Fail(head.error());
  const int64_t before = (*head)[0].Bigint();
  const auto ran = side == Side::kVigil ? ClaimThroughVigil(*plan) : pgbench_->Run(*plan);
  if (!ran) return Fail(ran.error());
  auto claims = Query(kReadClaims, {plan->ns, before}, false);
  if (!claims) return Fail(claims.error());
  std::vector<int64_t> times;
  for (pg::Row row : *claims) times.push_back(row.Micros());

  const int made = plan->claims * plan->claimers;
  const int items = trial.contended ? plan->claims : made;
  if (times.size() != static_cast<size_t>(items)) {
    return Fail(Unmeasurable(fmt::format("{} items were won {} times", items, times.size())));
  }
  return RateOf(times).map(
      [&](double won) { return ClaimRate{.won = won, .lost = won * (made - items) / items}; });
}

}  // namespace vigil::bench
