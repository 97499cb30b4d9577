#include "metrics/catalogue.h"

#include <fmt/format.h>

#include <array>

namespace vigil {
namespace {

constexpr auto kGauge = MetricType::kGauge;
constexpr auto kCounter = MetricType::kCounter;
constexpr auto kHistogram = MetricType::kHistogram;

constexpr std::array kCatalogue = {
    MetricRow{Metric::kBuildInfo, "vigil_build_info", kGauge, "version", "the version",
              "1, with the version of the coordinator"},
    MetricRow{Metric::kReady, "vigil_ready", kGauge, "", "",
              "1 while /readyz says yes, otherwise 0"},
    MetricRow{Metric::kTrustRemaining, "vigil_trust_remaining_seconds", kGauge, "", "",
              "what is left of the trust window, the least of all liveness sessions and of the own "
              "row; 0 when it is over"},
    MetricRow{Metric::kPods, "vigil_pods", kGauge, "state", "`ALIVE`, `SUSPECT`",
              "ALIVE and SUSPECT pods of the whole cluster, as the coordinator's last probe saw "
              "them"},
    MetricRow{Metric::kHostedPods, "vigil_hosted_pods", kGauge, "", "",
              "pods that the coordinator hosts"},
    MetricRow{Metric::kHostedPodsLimit, "vigil_hosted_pods_limit", kGauge, "", "",
              "how many it hosts at most"},
    MetricRow{Metric::kDeaths, "vigil_deaths_total", kCounter, "cause",
              "`STREAM_ENDED`, `HEARTBEATS_STOPPED`, `LOCK_FREE`, `PROCESS_EXITED`, `SUPERSEDED`",
              "verdicts that the coordinator committed"},
    MetricRow{Metric::kSuspicions, "vigil_suspicions_total", kCounter, "evidence",
              "`STRONG`, `WEAK`",
              "suspicions that the coordinator raised, on strong or weak evidence"},
    MetricRow{Metric::kSuspicionsRefuted, "vigil_suspicions_refuted_total", kCounter, "", "",
              "suspicions that the coordinator found refuted, whoever raised them"},
    MetricRow{Metric::kSuspicionTime, "vigil_suspicion_seconds", kHistogram, "", "",
              "how long a suspicion stood, until it was refuted or a verdict"},
    MetricRow{Metric::kDetectionTime, "vigil_detection_seconds", kHistogram, "evidence",
              "`CERTAIN`, `STRONG`, `WEAK`",
              "from the first evidence against a pod to the commit of its death"},
    MetricRow{Metric::kMassSuspicion, "vigil_mass_suspicion", kGauge, "", "",
              "1 while verdicts are held since too many pods are suspected at once, otherwise 0"},
    MetricRow{Metric::kLeaseMargin, "vigil_lease_margin_seconds", kHistogram, "", "",
              "what was left of a lease when the heartbeat came that renewed it"},
    MetricRow{Metric::kProbeTime, "vigil_probe_seconds", kHistogram, "", "",
              "how long a probe of all locks took"},
    MetricRow{Metric::kPingTime, "vigil_session_ping_seconds", kHistogram, "", "",
              "how long a ping of a liveness session took"},
    MetricRow{Metric::kLockTableUsed, "vigil_lock_table_used", kGauge, "", "",
              "locks in use in the whole database cluster, as the last probe counted them"},
    MetricRow{Metric::kLockTableLimit, "vigil_lock_table_limit", kGauge, "", "",
              "locks from which on new pods are refused; not there until the first probe"},
    MetricRow{
        Metric::kLogReadAge, "vigil_log_read_age_seconds", kGauge, "", "",
        "since the event log was last read to its end, of those that somebody follows the one "
        "that is furthest behind; 0 when nobody follows any"},
    MetricRow{Metric::kLogHead, "vigil_log_head", kGauge, "", "",
              "the heads of the event logs that somebody follows here, added up"},
    MetricRow{Metric::kLogUnread, "vigil_log_unread_events", kGauge, "", "",
              "events up to these heads that the coordinator's reader has not read yet"},
    MetricRow{Metric::kEvents, "vigil_events_total", kCounter, "", "",
              "events that the coordinator's reader has read, or was given by its own commits"},
    MetricRow{Metric::kSubscribers, "vigil_subscribers", kGauge, "protocol", "`grpc`, `http`",
              "subscriptions that are served, over grpc and http"},
    MetricRow{Metric::kSubscriptionsEnded, "vigil_subscriptions_ended_total", kCounter, "reason",
              "`EXPIRED`, `LAGGED`, `DRAINING`, `CLOSED` by the subscriber, `REFUSED` by its "
              "rights, `FAILED` with another error",
              "subscriptions that ended, by EXPIRED, LAGGED, DRAINING and the like"},
    MetricRow{Metric::kQueueLength, "vigil_queue_length", kGauge, "queue",
              "`request`, `session`, `verdict`, `probe`, `log`, `replay`, `renewal`, `pruning`, "
              "`recovery`",
              "what waits in each bounded queue of the coordinator"},
    MetricRow{Metric::kQueueLimit, "vigil_queue_limit", kGauge, "queue", "the same",
              "how much may wait there"},
    MetricRow{Metric::kClaims, "vigil_claims_total", kCounter, "outcome",
              "`CLAIMED`, `LOST`, `RESERVED`, `QUARANTINED`", "claims that were won and lost"},
    MetricRow{Metric::kOrphans, "vigil_orphans", kGauge, "policy", "`COMPETE`, `ASSIGN`, `STICKY`",
              "work items whose owner is DEAD or LEFT and that nobody has taken over, in the whole "
              "cluster; no more than 10000 of all policies are counted"},
    MetricRow{Metric::kOldestOrphan, "vigil_orphan_oldest_seconds", kGauge, "", "",
              "how long the oldest of them has waited; 0 when there is none"},
    MetricRow{Metric::kQuarantinedItems, "vigil_quarantined_items", kGauge, "", "",
              "work items that wait for an operator, in the whole cluster; no more than 10000 are "
              "counted"},
    MetricRow{Metric::kConnections, "vigil_database_connections", kGauge, "state",
              "`in_use`: a transaction is under way; `idle`: the rest, with those that hold locks "
              "or listen",
              "connections of the coordinator to the database, in use and idle"},
    MetricRow{Metric::kRpcs, "vigil_rpcs_total", kCounter, "method, code",
              "the rpc's name; gRPC's code in upper case", "calls that were answered"},
    MetricRow{Metric::kRpcTime, "vigil_rpc_seconds", kHistogram, "method", "the rpc's name",
              "how long unary calls took"},
};

constexpr bool InOrder() {
  for (size_t i = 0; i < kCatalogue.size(); ++i) {
    if (static_cast<size_t>(kCatalogue[i].metric) != i) return false;
  }
  return true;
}
static_assert(InOrder());

}  // namespace

std::span<const MetricRow> Catalogue() { return kCatalogue; }
const MetricRow& RowOf(Metric metric) { return kCatalogue[static_cast<size_t>(metric)]; }

std::string_view Name(MetricType type) {
  switch (type) {
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kCounter:
      return "counter";
    case MetricType::kHistogram:
      return "histogram";
  }
  return "";
}

std::string ChartTable() {
  std::string table;
  for (const MetricRow& row : kCatalogue) {
    const std::string labels = row.labels.empty() ? "" : fmt::format("{} ", row.labels);
    table += fmt::format("{} | {} | {}| {}\n", row.name, Name(row.type), labels, row.meaning);
  }
  return table;
}

std::string PageTable() {
  std::string table = "| metric | type | labels | what it tells |\n|---|---|---|---|\n";
  for (const MetricRow& row : kCatalogue) {
    const std::string labels =
        row.labels.empty() ? "" : fmt::format("{}: {} ", row.labels, row.values);
    table += fmt::format("| `{}` | {} | {}| {} |\n", row.name, Name(row.type), labels, row.meaning);
  }
  return table;
}

}  // namespace vigil
