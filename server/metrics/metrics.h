// The metrics of one coordinator, as Prometheus scrapes them.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "coordinator/standing.h"
#include "core/measures.h"
#include "metrics/histogram.h"

namespace vigil {

// What waits in a queue, of how much that may, and how many transactions of it are under way.
struct QueueReading {
  std::string_view name;
  size_t length = 0;
  size_t limit = 0;
  size_t under_way = 0;
};

// Counts what it is told, and writes it down when it is scraped.
//
// Any thread. Nothing here is locked, and a scrape waits for nobody, so it holds up no lease and is
// answered while the loops stand still or the database is away: what a loop alone knows it shows
// now and then, and the scrape reads what was shown last. The values of all labels are known
// beforehand, so no caller and no pod makes a new series.   (P11)
class Metrics final : public Measures {
 public:
  // Each is asked at a scrape, and answers at once.
  struct Sources {
    const Clock& clock;
    std::string version;
    std::function<bool()> ready;
    std::function<std::vector<QueueReading>()> queues;
    std::function<size_t()> open_connections;
  };

  struct RpcName {
    // In the contract: "vigil.v1.WorkService/ClaimWork". Outlives the metrics.
    std::string_view name;
    bool unary = true;
  };

  Metrics(Sources sources, const std::vector<RpcName>& rpcs);
  ~Metrics() override;

  // How a loop stands, told by it.
  void Show(const CoordinatorStanding& standing);
  void Show(const LogStanding& standing);

  // In Prometheus's text format.
  std::string Text() const;

  // --- Measures
  void Suspected(Evidence evidence) override;
  void Refuted(Duration stood) override;
  void Confirmed(Duration stood) override;
  void Died(Cause cause, Duration after_evidence) override;
  void Renewed(Duration margin) override { lease_margin_.Observe(margin); }
  void Probed(Duration took) override { probe_time_.Observe(took); }
  void Pinged(Duration took) override { ping_time_.Observe(took); }
  void Served(size_t events) override { events_.fetch_add(events, std::memory_order_relaxed); }
  void Ended(SubscriptionEnd end) override;
  void Claimed(ClaimOutcome outcome, size_t items) override;
  void Answered(std::string_view rpc, int code) override;
  void Took(std::string_view rpc, Duration time) override;

 private:
  using Count = std::atomic<uint64_t>;
  // One for each value of an enumeration; more than any has.
  using Counts = std::array<Count, 8>;
  class Families;
  struct OfRpc;

  OfRpc* Find(std::string_view rpc);
  void AddCoordinator(Families& families) const;
  void AddPods(Families& families) const;
  void AddLog(Families& families) const;
  void AddWork(Families& families) const;
  void AddCalls(Families& families) const;

  const Sources sources_;

  Counts suspicions_{};
  Counts deaths_{};
  Counts ends_{};
  Counts claims_{};
  Count refuted_ = 0;
  Count events_ = 0;
  std::vector<std::unique_ptr<OfRpc>> rpcs_;

  Histogram suspicion_time_;
  std::array<Histogram, 3> detection_time_;
  Histogram lease_margin_;
  Histogram probe_time_;
  Histogram ping_time_;

  // What the loops have shown: each number for itself, so that none waits for the other.
  struct Shown {
    std::atomic<Instant> trusted_until{};
    Count hosted = 0, most_hosted = 0;
    Count alive = 0, suspect = 0;
    std::atomic<bool> mass_suspicion = false;
    Count locks = 0, lock_limit = 0;
    Count compete = 0, assign = 0, sticky = 0, quarantined = 0;
    std::atomic<Duration> oldest_orphan{};
    // The clock's end when nobody follows a log.
    std::atomic<Instant> read_to_end = Instant::max();
    Count head = 0, unread = 0, over_grpc = 0, over_http = 0;
  } shown_;
};

}  // namespace vigil
