// Every metric that a coordinator serves: the one source of their names, types, labels and words.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace vigil {

enum class MetricType { kGauge, kCounter, kHistogram };

enum class Metric {
  kBuildInfo,
  kReady,
  kTrustRemaining,
  kPods,
  kHostedPods,
  kHostedPodsLimit,
  kDeaths,
  kSuspicions,
  kSuspicionsRefuted,
  kSuspicionTime,
  kDetectionTime,
  kMassSuspicion,
  kLeaseMargin,
  kProbeTime,
  kPingTime,
  kLockTableUsed,
  kLockTableLimit,
  kLogReadAge,
  kLogHead,
  kLogUnread,
  kEvents,
  kSubscribers,
  kSubscriptionsEnded,
  kQueueLength,
  kQueueLimit,
  kClaims,
  kOrphans,
  kOldestOrphan,
  kQuarantinedItems,
  kConnections,
  kRpcs,
  kRpcTime,
};

// One row of the tables in the chart's files/metrics.txt and in METRICS.md.
struct MetricRow {
  Metric metric;
  std::string_view name;
  MetricType type;
  // Separated by ", ".
  std::string_view labels;
  // What the labels can be, for the page.
  std::string_view values;
  std::string_view meaning;
};

// One for each, in the order of Metric.
std::span<const MetricRow> Catalogue();
const MetricRow& RowOf(Metric metric);

std::string_view Name(MetricType type);

// The tables as they stand in those files.
std::string ChartTable();
std::string PageTable();

}  // namespace vigil
