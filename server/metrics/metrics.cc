#include "metrics/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <utility>

#include "core/errors.h"
#include "metrics/catalogue.h"

namespace vigil {
namespace {

using namespace std::chrono_literals;

constexpr Duration kAnswers[] = {500us, 1ms,   2500us, 5ms, 10ms,   25ms, 50ms,
                                 100ms, 250ms, 500ms,  1s,  2500ms, 5s};
constexpr Duration kDetections[] = {1ms,   2500us, 5ms, 10ms, 25ms, 50ms, 100ms, 250ms,
                                    500ms, 1s,     2s,  3s,   5s,   10s,  20s,   40s};
// A heartbeat comes each third of a lease, which is 0.5 s to 60 s and most often 3 s.
constexpr Duration kMargins[] = {50ms,   100ms, 200ms,  300ms, 500ms, 1s,  1500ms,
                                 1750ms, 2s,    2500ms, 5s,    10s,   20s, 40s};

constexpr Cause kDeathCauses[] = {Cause::kStreamEnded, Cause::kHeartbeatsStopped, Cause::kLockFree,
                                  Cause::kProcessExited, Cause::kSuperseded};
constexpr Evidence kEvidences[] = {Evidence::kCertain, Evidence::kStrong, Evidence::kWeak};
constexpr std::string_view kEnds[] = {"EXPIRED", "LAGGED",  "DRAINING",
                                      "CLOSED",  "REFUSED", "FAILED"};
constexpr std::string_view kOutcomes[] = {"CLAIMED", "LOST", "RESERVED", "QUARANTINED"};
constexpr std::array<std::string_view, 17> kCodes = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};
constexpr size_t kUnknownCode = 2;

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

template <typename E>
size_t Place(E value) {
  return static_cast<size_t>(value);
}

void Add(std::atomic<uint64_t>& count, uint64_t more = 1) {
  count.fetch_add(more, std::memory_order_relaxed);
}

double Read(const std::atomic<uint64_t>& count) { return static_cast<double>(count.load()); }

// Of "vigil.v1.WorkService/ClaimWork" what stands behind the slash.
std::string_view MethodOf(std::string_view rpc) { return rpc.substr(rpc.find('/') + 1); }

prometheus::MetricType TypeOf(MetricType type) {
  switch (type) {
    case MetricType::kGauge:
      return prometheus::MetricType::Gauge;
    case MetricType::kCounter:
      return prometheus::MetricType::Counter;
    case MetricType::kHistogram:
      break;
  }
  return prometheus::MetricType::Histogram;
}

}  // namespace

struct Metrics::OfRpc {
  explicit OfRpc(const RpcName& rpc) : name(rpc.name), unary(rpc.unary), time(kAnswers) {}
  const std::string_view name;
  const bool unary;
  std::array<Count, kCodes.size()> answers{};
  Histogram time;
};

// What a scrape gets, in the order of the catalogue.
class Metrics::Families {
 public:
  using Labels = std::vector<std::string_view>;

  void Add(Metric metric, double value) { Add(metric, {}, value); }

  // The labels' values, in the order of the row's labels.
  void Add(Metric metric, const Labels& values, double value) {
    auto& cell = Cell(metric, values);
    (RowOf(metric).type == MetricType::kCounter ? cell.counter.value : cell.gauge.value) = value;
  }

  void Add(Metric metric, const Labels& values, const Histogram& histogram) {
    const auto reading = histogram.Read();
    auto& told = Cell(metric, values).histogram;
    for (size_t i = 0; i < histogram.bounds().size(); ++i) {
      told.bucket.push_back({reading.up_to[i], Seconds(histogram.bounds()[i])});
    }
    told.sample_count = reading.up_to.back();
    told.sample_sum = Seconds(reading.sum);
  }

  std::string Text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  prometheus::ClientMetric& Cell(Metric metric, const Labels& values) {
    const MetricRow& row = RowOf(metric);
    if (families_.empty() || families_.back().name != row.name) {
      auto& family = families_.emplace_back();
      family.name = row.name;
      family.help = row.meaning;
      family.type = TypeOf(row.type);
    }
    auto& cell = families_.back().metric.emplace_back();
    std::string_view names = row.labels;
    for (const std::string_view value : values) {
      const std::string_view name = names.substr(0, names.find(", "));
      names.remove_prefix(std::min(names.size(), name.size() + 2));
      cell.label.push_back({std::string(name), std::string(value)});
    }
    return cell;
  }

  std::vector<prometheus::MetricFamily> families_;
};

Metrics::Metrics(Sources sources, const std::vector<RpcName>& rpcs)
    : sources_(std::move(sources)),
      suspicion_time_(kDetections),
      detection_time_{Histogram(kDetections), Histogram(kDetections), Histogram(kDetections)},
      lease_margin_(kMargins),
      probe_time_(kAnswers),
      ping_time_(kAnswers) {
  for (const RpcName& rpc : rpcs) rpcs_.push_back(std::make_unique<OfRpc>(rpc));
}

Metrics::~Metrics() = default;

// --- What is told

void Metrics::Suspected(Evidence evidence) { Add(suspicions_[Place(evidence)]); }

void Metrics::Refuted(Duration stood) {
  Add(refuted_);
  suspicion_time_.Observe(stood);
}

void Metrics::Confirmed(Duration stood) { suspicion_time_.Observe(stood); }

void Metrics::Died(Cause cause, Duration after_evidence) {
  Add(deaths_[Place(cause)]);
  const Evidence evidence = EvidenceOf(cause);
  if (evidence == Evidence::kNone) return;
  detection_time_[Place(evidence) - Place(Evidence::kCertain)].Observe(after_evidence);
}

void Metrics::Ended(SubscriptionEnd end) { Add(ends_[Place(end)]); }

void Metrics::Claimed(ClaimOutcome outcome, size_t items) { Add(claims_[Place(outcome)], items); }

Metrics::OfRpc* Metrics::Find(std::string_view rpc) {
  const auto found = std::ranges::find(rpcs_, rpc, [](const auto& of) { return of->name; });
  return found == rpcs_.end() ? nullptr : found->get();
}

void Metrics::Answered(std::string_view rpc, int code) {
  const auto place = static_cast<size_t>(code);
  if (OfRpc* of = Find(rpc)) Add(of->answers[place < kCodes.size() ? place : kUnknownCode]);
}

void Metrics::Took(std::string_view rpc, Duration time) {
  if (OfRpc* of = Find(rpc)) of->time.Observe(time);
}

void Metrics::Show(const CoordinatorStanding& standing) {
  shown_.trusted_until = standing.trusted_until;
  shown_.hosted = standing.hosted;
  shown_.most_hosted = standing.most_hosted;
  shown_.alive = standing.cluster.alive;
  shown_.suspect = standing.cluster.suspect;
  shown_.mass_suspicion = standing.cluster.mass_suspicion;
  shown_.locks = standing.cluster.locks.in_use;
  shown_.lock_limit = standing.lock_limit;
  shown_.compete = standing.waiting.compete;
  shown_.assign = standing.waiting.assign;
  shown_.sticky = standing.waiting.sticky;
  shown_.quarantined = standing.waiting.quarantined;
  shown_.oldest_orphan = standing.waiting.oldest;
}

void Metrics::Show(const LogStanding& standing) {
  shown_.read_to_end = standing.read_to_end.value_or(Instant::max());
  shown_.head = standing.head;
  shown_.unread = standing.unread;
  shown_.over_grpc = standing.over_grpc;
  shown_.over_http = standing.over_http;
}

// --- What is scraped

std::string Metrics::Text() const {
  Families families;
  AddCoordinator(families);
  AddPods(families);
  AddLog(families);
  AddWork(families);
  AddCalls(families);
  return families.Text();
}

void Metrics::AddCoordinator(Families& families) const {
  const Duration trust = shown_.trusted_until.load() - sources_.clock.Now();
  families.Add(Metric::kBuildInfo, {sources_.version}, 1);
  families.Add(Metric::kReady, sources_.ready() ? 1 : 0);
  families.Add(Metric::kTrustRemaining, Seconds(std::max(trust, Duration::zero())));
}

void Metrics::AddPods(Families& families) const {
  families.Add(Metric::kPods, {Name(PodState::kAlive)}, Read(shown_.alive));
  families.Add(Metric::kPods, {Name(PodState::kSuspect)}, Read(shown_.suspect));
  families.Add(Metric::kHostedPods, Read(shown_.hosted));
  families.Add(Metric::kHostedPodsLimit, Read(shown_.most_hosted));
  for (const Cause cause : kDeathCauses) {
    families.Add(Metric::kDeaths, {Name(cause)}, Read(deaths_[Place(cause)]));
  }
  for (const Evidence evidence : {Evidence::kStrong, Evidence::kWeak}) {
    families.Add(Metric::kSuspicions, {Name(evidence)}, Read(suspicions_[Place(evidence)]));
  }
  families.Add(Metric::kSuspicionsRefuted, Read(refuted_));
  families.Add(Metric::kSuspicionTime, {}, suspicion_time_);
  for (const Evidence evidence : kEvidences) {
    families.Add(Metric::kDetectionTime, {Name(evidence)},
                 detection_time_[Place(evidence) - Place(Evidence::kCertain)]);
  }
  families.Add(Metric::kMassSuspicion, shown_.mass_suspicion ? 1 : 0);
  families.Add(Metric::kLeaseMargin, {}, lease_margin_);
  families.Add(Metric::kProbeTime, {}, probe_time_);
  families.Add(Metric::kPingTime, {}, ping_time_);
  families.Add(Metric::kLockTableUsed, Read(shown_.locks));
  // A limit of 0 would be a table that is full.
  if (shown_.lock_limit > 0) families.Add(Metric::kLockTableLimit, Read(shown_.lock_limit));
}

void Metrics::AddLog(Families& families) const {
  const Instant now = sources_.clock.Now();
  families.Add(Metric::kLogReadAge, Seconds(now - std::min(shown_.read_to_end.load(), now)));
  families.Add(Metric::kLogHead, Read(shown_.head));
  families.Add(Metric::kLogUnread, Read(shown_.unread));
  families.Add(Metric::kEvents, Read(events_));
  families.Add(Metric::kSubscribers, {"grpc"}, Read(shown_.over_grpc));
  families.Add(Metric::kSubscribers, {"http"}, Read(shown_.over_http));
  for (size_t end = 0; end < std::size(kEnds); ++end) {
    families.Add(Metric::kSubscriptionsEnded, {kEnds[end]}, Read(ends_[end]));
  }
}

void Metrics::AddWork(Families& families) const {
  const auto queues = sources_.queues();
  size_t under_way = 0;
  for (const QueueReading& queue : queues) {
    families.Add(Metric::kQueueLength, {queue.name}, static_cast<double>(queue.length));
    under_way += queue.under_way;
  }
  for (const QueueReading& queue : queues) {
    families.Add(Metric::kQueueLimit, {queue.name}, static_cast<double>(queue.limit));
  }
  for (size_t outcome = 0; outcome < std::size(kOutcomes); ++outcome) {
    families.Add(Metric::kClaims, {kOutcomes[outcome]}, Read(claims_[outcome]));
  }
  families.Add(Metric::kOrphans, {"COMPETE"}, Read(shown_.compete));
  families.Add(Metric::kOrphans, {"ASSIGN"}, Read(shown_.assign));
  families.Add(Metric::kOrphans, {"STICKY"}, Read(shown_.sticky));
  families.Add(Metric::kOldestOrphan, Seconds(shown_.oldest_orphan));
  families.Add(Metric::kQuarantinedItems, Read(shown_.quarantined));
  const size_t open = sources_.open_connections();
  // A transaction may be waiting for a connection that is not there.
  const size_t in_use = std::min(under_way, open);
  families.Add(Metric::kConnections, {"in_use"}, static_cast<double>(in_use));
  families.Add(Metric::kConnections, {"idle"}, static_cast<double>(open - in_use));
}

void Metrics::AddCalls(Families& families) const {
  for (const auto& of : rpcs_) {
    for (size_t code = 0; code < kCodes.size(); ++code) {
      // Most codes are never answered: all but OK are there from their first time on.
      const double answers = Read(of->answers[code]);
      if (code > 0 && answers == 0) continue;
      families.Add(Metric::kRpcs, {MethodOf(of->name), kCodes[code]}, answers);
    }
  }
  for (const auto& of : rpcs_) {
    if (of->unary) families.Add(Metric::kRpcTime, {MethodOf(of->name)}, of->time);
  }
}

}  // namespace vigil
