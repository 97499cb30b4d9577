// What is told is what is scraped.
#include "metrics/metrics.h"

#include <gtest/gtest.h>

#include <atomic>
#include <sstream>
#include <thread>

#include "metrics/catalogue.h"
#include "support/metrics_text.h"

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class HandClock final : public Clock {
 public:
  Instant Now() const override { return now; }
  Instant now{seconds(1000)};
};

class MetricsTest : public testing::Test {
 protected:
  MetricsText Scrape() const { return MetricsText(metrics_.Text()); }

  HandClock clock_;
  bool ready_ = false;
  std::vector<QueueReading> queues_{{"request", 3, 4096, 2}, {"probe", 0, 16, 1}};
  size_t open_ = 10;
  Metrics metrics_{{.clock = clock_,
                    .version = "1.2.3",
                    .ready = [this] { return ready_; },
                    .queues = [this] { return queues_; },
                    .open_connections = [this] { return open_; }},
                   {{"vigil.v1.WorkService/ClaimWork"}, {"vigil.v1.PodService/Session", false}}};
};

TEST_F(MetricsTest, Scrape_HasEveryMetricOfTheCatalogueAndNoOther) {
  CoordinatorStanding standing;
  standing.lock_limit = 100;
  metrics_.Show(standing);
  EXPECT_EQ(Scrape().Disagreements(Catalogue()), "");
}

TEST_F(MetricsTest, Build_SaysItsVersion) {
  EXPECT_EQ(Scrape().Value("vigil_build_info{version=\"1.2.3\"}"), 1);
}

TEST_F(MetricsTest, Ready_IsAskedAtTheScrape) {
  EXPECT_EQ(Scrape().Value("vigil_ready"), 0);
  ready_ = true;
  EXPECT_EQ(Scrape().Value("vigil_ready"), 1);
}

// P10: a loop that stands still shows nothing new, and its trust runs out all the same.
TEST_F(MetricsTest, Trust_RunsOutWithoutTheLoop) {
  EXPECT_EQ(Scrape().Value("vigil_trust_remaining_seconds"), 0);
  CoordinatorStanding standing;
  standing.trusted_until = clock_.now + seconds(15);
  metrics_.Show(standing);
  EXPECT_EQ(Scrape().Value("vigil_trust_remaining_seconds"), 15);
  clock_.now += seconds(10);
  EXPECT_EQ(Scrape().Value("vigil_trust_remaining_seconds"), 5);
  clock_.now += seconds(10);
  EXPECT_EQ(Scrape().Value("vigil_trust_remaining_seconds"), 0);
}

TEST_F(MetricsTest, ReadAge_GrowsWhileSomebodyFollows) {
  EXPECT_EQ(Scrape().Value("vigil_log_read_age_seconds"), 0);
  metrics_.Show(LogStanding{clock_.now, 70, 3, 2, 1});
  clock_.now += seconds(4);
  const auto scrape = Scrape();
  EXPECT_EQ(scrape.Value("vigil_log_read_age_seconds"), 4);
  EXPECT_EQ(scrape.Value("vigil_log_head"), 70);
  EXPECT_EQ(scrape.Value("vigil_log_unread_events"), 3);
  EXPECT_EQ(scrape.Value("vigil_subscribers{protocol=\"grpc\"}"), 2);
  EXPECT_EQ(scrape.Value("vigil_subscribers{protocol=\"http\"}"), 1);
  metrics_.Show(LogStanding{});
  EXPECT_EQ(Scrape().Value("vigil_log_read_age_seconds"), 0);
}

TEST_F(MetricsTest, Standing_IsShown) {
  metrics_.Show(CoordinatorStanding{
      .hosted = 7,
      .most_hosted = 10000,
      .cluster = {.alive = 20, .suspect = 2, .locks = {30, 200}, .mass_suspicion = true},
      .lock_limit = 160,
      .waiting = {
          .compete = 1, .assign = 2, .sticky = 3, .oldest = milliseconds(1500), .quarantined = 4}});
  const auto scrape = Scrape();
  EXPECT_EQ(scrape.Value("vigil_hosted_pods"), 7);
  EXPECT_EQ(scrape.Value("vigil_hosted_pods_limit"), 10000);
  EXPECT_EQ(scrape.Value("vigil_pods{state=\"ALIVE\"}"), 20);
  EXPECT_EQ(scrape.Value("vigil_pods{state=\"SUSPECT\"}"), 2);
  EXPECT_EQ(scrape.Value("vigil_mass_suspicion"), 1);
  EXPECT_EQ(scrape.Value("vigil_lock_table_used"), 30);
  EXPECT_EQ(scrape.Value("vigil_lock_table_limit"), 160);
  EXPECT_EQ(scrape.Value("vigil_orphans{policy=\"COMPETE\"}"), 1);
  EXPECT_EQ(scrape.Value("vigil_orphans{policy=\"ASSIGN\"}"), 2);
  EXPECT_EQ(scrape.Value("vigil_orphans{policy=\"STICKY\"}"), 3);
  EXPECT_EQ(scrape.Value("vigil_orphan_oldest_seconds"), 1.5);
  EXPECT_EQ(scrape.Value("vigil_quarantined_items"), 4);
}

TEST_F(MetricsTest, LockLimit_IsNotThereBeforeItIsKnown) {
  EXPECT_FALSE(Scrape().Value("vigil_lock_table_limit"));
}

TEST_F(MetricsTest, Suspicions_AndWhatBecameOfThem) {
  metrics_.Suspected(Evidence::kStrong);
  metrics_.Suspected(Evidence::kWeak);
  metrics_.Suspected(Evidence::kWeak);
  metrics_.Refuted(milliseconds(200));
  metrics_.Confirmed(seconds(18));
  metrics_.Died(Cause::kLockFree, seconds(18));
  metrics_.Died(Cause::kStreamEnded, milliseconds(2));
  metrics_.Died(Cause::kSuperseded, {});
  const auto scrape = Scrape();
  EXPECT_EQ(scrape.Value("vigil_suspicions_total{evidence=\"STRONG\"}"), 1);
  EXPECT_EQ(scrape.Value("vigil_suspicions_total{evidence=\"WEAK\"}"), 2);
  EXPECT_EQ(scrape.Value("vigil_suspicions_refuted_total"), 1);
  EXPECT_EQ(scrape.Value("vigil_suspicion_seconds_count"), 2);
  EXPECT_EQ(scrape.Value("vigil_suspicion_seconds_sum"), 18.2);
  EXPECT_EQ(scrape.Value("vigil_deaths_total{cause=\"LOCK_FREE\"}"), 1);
  EXPECT_EQ(scrape.Value("vigil_deaths_total{cause=\"STREAM_ENDED\"}"), 1);
  EXPECT_EQ(scrape.Value("vigil_deaths_total{cause=\"SUPERSEDED\"}"), 1);
  EXPECT_EQ(scrape.Value("vigil_deaths_total{cause=\"HEARTBEATS_STOPPED\"}"), 0);
  EXPECT_EQ(scrape.Value("vigil_detection_seconds_sum{evidence=\"WEAK\"}"), 18);
  EXPECT_EQ(scrape.Value("vigil_detection_seconds_bucket{evidence=\"STRONG\",le=\"0.001\"}"), 0);
  EXPECT_EQ(scrape.Value("vigil_detection_seconds_bucket{evidence=\"STRONG\",le=\"0.0025\"}"), 1);
  EXPECT_EQ(scrape.Value("vigil_detection_seconds_count{evidence=\"STRONG\"}"), 1);
}

TEST_F(MetricsTest, Times_AreSpreadOverBuckets) {
  metrics_.Renewed(seconds(2));
  metrics_.Probed(milliseconds(7));
  metrics_.Pinged(milliseconds(1));
  metrics_.Took("vigil.v1.WorkService/ClaimWork", milliseconds(30));
  const auto scrape = Scrape();
  EXPECT_EQ(scrape.Value("vigil_lease_margin_seconds_bucket{le=\"1.75\"}"), 0);
  EXPECT_EQ(scrape.Value("vigil_lease_margin_seconds_bucket{le=\"2\"}"), 1);
  EXPECT_EQ(scrape.Value("vigil_probe_seconds_bucket{le=\"0.005\"}"), 0);
  EXPECT_EQ(scrape.Value("vigil_probe_seconds_bucket{le=\"0.01\"}"), 1);
  EXPECT_EQ(scrape.Value("vigil_session_ping_seconds_bucket{le=\"0.001\"}"), 1);
  EXPECT_EQ(scrape.Value("vigil_rpc_seconds_sum{method=\"ClaimWork\"}"), 0.03);
}

TEST_F(MetricsTest, Calls_AreCountedByMethodAndCode) {
  metrics_.Answered("vigil.v1.WorkService/ClaimWork", 0);
  metrics_.Answered("vigil.v1.WorkService/ClaimWork", 9);
  metrics_.Answered("vigil.v1.PodService/Session", 14);
  metrics_.Answered("vigil.v1.PodService/Session", 99);
  metrics_.Answered("nobody's", 0);
  metrics_.Took("nobody's", seconds(1));
  const auto scrape = Scrape();
  const auto calls = [&](const std::string& method, const std::string& code) {
    return scrape.Value("vigil_rpcs_total{method=\"" + method + "\",code=\"" + code + "\"}");
  };
  EXPECT_EQ(calls("ClaimWork", "OK"), 1);
  EXPECT_EQ(calls("ClaimWork", "FAILED_PRECONDITION"), 1);
  EXPECT_EQ(calls("Session", "OK"), 0);
  EXPECT_EQ(calls("Session", "UNAVAILABLE"), 1);
  EXPECT_EQ(calls("Session", "UNKNOWN"), 1);
  EXPECT_FALSE(calls("ClaimWork", "INTERNAL"));
  EXPECT_TRUE(scrape.Value("vigil_rpc_seconds_count{method=\"ClaimWork\"}"));
  EXPECT_FALSE(scrape.Value("vigil_rpc_seconds_count{method=\"Session\"}")) << "it is a stream";
}

TEST_F(MetricsTest, Ends_ClaimsAndEvents) {
  for (const auto end :
       {SubscriptionEnd::kExpired, SubscriptionEnd::kLagged, SubscriptionEnd::kDraining,
        SubscriptionEnd::kClosed, SubscriptionEnd::kRefused, SubscriptionEnd::kFailed}) {
    for (int i = 0; i <= static_cast<int>(end); ++i) metrics_.Ended(end);
  }
  metrics_.Claimed(ClaimOutcome::kClaimed, 5);
  metrics_.Claimed(ClaimOutcome::kLost, 1);
  metrics_.Served(12);
  const auto scrape = Scrape();
  double times = 0;
  for (const char* reason : {"EXPIRED", "LAGGED", "DRAINING", "CLOSED", "REFUSED", "FAILED"}) {
    const std::string series =
        std::string("vigil_subscriptions_ended_total{reason=\"") + reason + "\"}";
    EXPECT_EQ(scrape.Value(series), ++times) << series;
  }
  EXPECT_EQ(scrape.Value("vigil_claims_total{outcome=\"CLAIMED\"}"), 5);
  EXPECT_EQ(scrape.Value("vigil_claims_total{outcome=\"LOST\"}"), 1);
  EXPECT_EQ(scrape.Value("vigil_claims_total{outcome=\"RESERVED\"}"), 0);
  EXPECT_EQ(scrape.Value("vigil_events_total"), 12);
}

TEST_F(MetricsTest, QueuesAndConnections_AreReadAtTheScrape) {
  auto scrape = Scrape();
  EXPECT_EQ(scrape.Value("vigil_queue_length{queue=\"request\"}"), 3);
  EXPECT_EQ(scrape.Value("vigil_queue_limit{queue=\"probe\"}"), 16);
  EXPECT_EQ(scrape.Value("vigil_database_connections{state=\"in_use\"}"), 3);
  EXPECT_EQ(scrape.Value("vigil_database_connections{state=\"idle\"}"), 7);
  open_ = 1;
  scrape = Scrape();
  EXPECT_EQ(scrape.Value("vigil_database_connections{state=\"in_use\"}"), 1);
  EXPECT_EQ(scrape.Value("vigil_database_connections{state=\"idle\"}"), 0);
}

// A scrape waits for nobody, and nobody for it.
TEST_F(MetricsTest, Scrape_WhileOthersTell) {
  std::atomic<bool> over = false;
  std::thread teller([&] {
    while (!over) {
      metrics_.Renewed(seconds(2));
      metrics_.Show(CoordinatorStanding{.hosted = 3});
      metrics_.Answered("vigil.v1.WorkService/ClaimWork", 0);
    }
  });
  double last = 0;
  for (int i = 0; i < 200; ++i) {
    const auto scrape = Scrape();
    const double now = scrape.Value("vigil_lease_margin_seconds_count").value_or(-1);
    EXPECT_GE(now, last);
    last = now;
  }
  over = true;
  teller.join();
}

}  // namespace
}  // namespace vigil
