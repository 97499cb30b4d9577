// /metrics of a whole server on a real Postgres: what happens is counted, and a scrape disturbs
// nobody.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <functional>

#include "integration/http_client.h"
#include "integration/test_server.h"
#include "metrics/catalogue.h"
#include "support/metrics_text.h"
#include "support/process.h"

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

// Longer than any machine needs.
constexpr Duration kPatience = seconds(30);

class MetricsOfAServer : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(server_.WaitUntilReady()); }

  HttpResponse FetchMetrics() { return Fetch(server_.http_port(), "/metrics"); }
  MetricsText Scrape() { return MetricsText(FetchMetrics().body); }

  // Scrapes until this holds; the last scrape.
  MetricsText Await(const std::function<bool(const MetricsText&)>& holds) {
    const Instant deadline = Now() + kPatience;
    MetricsText scrape = Scrape();
    while (!holds(scrape)) {
      if (Now() > deadline) {
        ADD_FAILURE() << "it did not come true:\n" << FetchMetrics().body;
        break;
      }
      scrape = Scrape();
    }
    return scrape;
  }
  MetricsText AwaitAtLeast(const std::string& series, double value) {
    return Await([&](const MetricsText& scrape) { return scrape.At(series) >= value; });
  }

  v1::WorkItem Start(const RawPod& pod, const std::string& key) {
    return StartWork(server_, pod, key);
  }

  v1::ClaimOutcome Claim(const RawPod& pod, const v1::WorkItem& seen) {
    v1::ClaimWorkRequest request;
    request.set_namespace_("default");
    request.set_key(seen.key());
    request.set_incarnation(pod.incarnation());
    request.set_expected_owner(seen.owner());
    request.set_expected_fence(seen.fence());
    v1::ClaimWorkResponse response;
    EXPECT_TRUE(server_.work().ClaimWork(InTime().get(), request, &response).ok());
    return response.outcome();
  }

  TestDatabase database_;
  TestServer server_{database_.conninfo()};
};

TEST_F(MetricsOfAServer, Scrape_IsWhatTheCatalogueSaysAndPromtoolTakesIt) {
  AwaitAtLeast("vigil_lock_table_limit", 1);
  RawPod pod(server_, "a");
  Start(pod, "k");
  const HttpResponse response = FetchMetrics();
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.head, HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8"));
  const MetricsText scrape(response.body);
  EXPECT_EQ(scrape.Disagreements(Catalogue()), "");
  EXPECT_EQ(response.body.find("default"), std::string::npos) << "it names no namespace";

  const std::string path = testing::TempDir() + "metrics-" + std::to_string(getpid()) + ".txt";
  std::ofstream(path) << response.body;
  const auto promtool =
      Process::Spawn({.command = {"sh", "-c", "promtool check metrics <\"$0\" 2>&1", path}});
  ASSERT_TRUE(promtool) << promtool.error().message;
  EXPECT_EQ((*promtool)->AwaitEnd(kPatience), 0) << (*promtool)->Transcript();
  EXPECT_EQ((*promtool)->Transcript(), "") << "promtool has nothing to say";
  std::remove(path.c_str());
}

// The number of series does not grow with who is there: only with the codes that were answered.
TEST_F(MetricsOfAServer, Series_AreBounded) {
  AwaitAtLeast("vigil_lock_table_limit", 1);
  const size_t before = Scrape().series();
  std::vector<std::unique_ptr<RawPod>> pods;
  for (int i = 0; i < 8; ++i) {
    pods.push_back(std::make_unique<RawPod>(server_, "pod-" + std::to_string(i)));
    Start(*pods.back(), "item-" + std::to_string(i));
  }
  EXPECT_EQ(GetPod(server_, "nobody").error_code(), grpc::StatusCode::NOT_FOUND);
  AwaitAtLeast("vigil_hosted_pods", 8);
  EXPECT_EQ(Scrape().series(), before + 1) << "NOT_FOUND of GetPod is new";
  EXPECT_EQ(Scrape().At("vigil_rpcs_total{method=\"GetPod\",code=\"NOT_FOUND\"}"), 1);
  EXPECT_EQ(Scrape().At("vigil_rpcs_total{method=\"StartWork\",code=\"OK\"}"), 8);
  EXPECT_EQ(Scrape().At("vigil_rpc_seconds_count{method=\"StartWork\"}"), 8);
}

// P3: a process that is killed shows as a death, and its item as an orphan until it is claimed.
TEST_F(MetricsOfAServer, Death_OfAKilledProcess) {
  const auto vigil = FindBuilt("vigil");
  ASSERT_TRUE(vigil) << vigil.error().message;
  const auto doomed =
      Process::Spawn({.command = {*vigil, "--address", server_.address(), "run", "--pod", "doomed",
                                  "--profile", "fast", "--work", "k", "--", "sleep", "1000"}});
  ASSERT_TRUE(doomed) << doomed.error().message;
  v1::WorkItem item;
  const Instant deadline = Now() + kPatience;
  while (item.owner() == 0 && Now() < deadline) {
    v1::GetWorkRequest request;
    request.set_namespace_("default");
    request.set_key("k");
    v1::GetWorkResponse response;
    if (server_.work().GetWork(InTime().get(), request, &response).ok()) item = response.item();
  }
  ASSERT_NE(item.owner(), 0U);
  EXPECT_EQ(Scrape().Sum("vigil_deaths_total"), 0);

  (*doomed)->Signal(SIGKILL);
  MetricsText scrape = AwaitAtLeast("vigil_deaths_total{cause=\"STREAM_ENDED\"}", 1);
  EXPECT_EQ(scrape.Sum("vigil_deaths_total"), 1);
  EXPECT_EQ(scrape.At("vigil_detection_seconds_count{evidence=\"STRONG\"}"), 1);
  EXPECT_GT(scrape.At("vigil_detection_seconds_sum{evidence=\"STRONG\"}"), 0);
  EXPECT_LT(scrape.At("vigil_detection_seconds_sum{evidence=\"STRONG\"}"), 20);
  EXPECT_EQ(scrape.Sum("vigil_suspicions_total"), 0) << "FAST needs no suspicion";

  AwaitAtLeast("vigil_orphans{policy=\"COMPETE\"}", 1);
  AwaitAtLeast("vigil_orphan_oldest_seconds", 0.001);
  RawPod survivor(server_, "survivor");
  EXPECT_EQ(Claim(survivor, item), v1::CLAIM_OUTCOME_CLAIMED);
  RawPod late(server_, "late");
  EXPECT_EQ(Claim(late, item), v1::CLAIM_OUTCOME_LOST);
  // Whoever has it now has to live.
  scrape = Await([&](const MetricsText& now) {
    return survivor.Beat() && now.At("vigil_orphans{policy=\"COMPETE\"}") == 0;
  });
  EXPECT_EQ(scrape.At("vigil_claims_total{outcome=\"CLAIMED\"}"), 1);
  EXPECT_EQ(scrape.At("vigil_claims_total{outcome=\"LOST\"}"), 1);
  EXPECT_EQ(scrape.At("vigil_claims_total{outcome=\"RESERVED\"}"), 0);
}

TEST_F(MetricsOfAServer, Suspicion_ThatIsRefuted) {
  RawPod pod(server_, "a", v1::PROFILE_STRICT);
  pod.Break();
  AwaitAtLeast("vigil_suspicions_total{evidence=\"STRONG\"}", 1);
  RawPod resumed(server_, pod.registered());
  const auto scrape = AwaitAtLeast("vigil_suspicions_refuted_total", 1);
  EXPECT_EQ(scrape.At("vigil_suspicions_refuted_total"), 1);
  EXPECT_EQ(scrape.At("vigil_suspicion_seconds_count"), 1);
  EXPECT_EQ(scrape.Sum("vigil_deaths_total"), 0);
}

TEST_F(MetricsOfAServer, Standing_OfTheLinkAndOfSubscribers) {
  RawPod pod(server_, "a", v1::PROFILE_STRICT);
  EventStream follower(server_.http_port(), "/v1/events?namespace=default&from=oldest");
  ASSERT_TRUE(follower.Next());
  MetricsText scrape = Await([](const MetricsText& now) {
    return now.At("vigil_subscribers{protocol=\"http\"}") == 1 &&
           now.At("vigil_pods{state=\"ALIVE\"}") == 1 && now.At("vigil_log_head") >= 1;
  });
  EXPECT_EQ(scrape.At("vigil_ready"), 1);
  EXPECT_EQ(scrape.At("vigil_subscribers{protocol=\"grpc\"}"), 0);
  EXPECT_LE(scrape.At("vigil_log_read_age_seconds"), 5);
  EXPECT_EQ(scrape.At("vigil_log_unread_events"), 0);
  EXPECT_GT(scrape.At("vigil_trust_remaining_seconds"), 5);
  EXPECT_LE(scrape.At("vigil_trust_remaining_seconds"), 15);
  EXPECT_GE(scrape.At("vigil_lease_margin_seconds_count"), 1);
  EXPECT_GE(scrape.At("vigil_probe_seconds_count"), 1);
  EXPECT_GE(scrape.At("vigil_session_ping_seconds_count"), 1);
  // Of every lane's threads, the liveness sessions, the own one and the log's listener.
  EXPECT_EQ(scrape.Sum("vigil_database_connections"), ConnectionsOf(Config{}));
  EXPECT_EQ(scrape.At("vigil_queue_limit{queue=\"request\"}"), 4096);
  follower.client().Reset();
  scrape = AwaitAtLeast("vigil_subscriptions_ended_total{reason=\"CLOSED\"}", 1);
  Await([](const MetricsText& now) { return now.At("vigil_subscribers{protocol=\"http\"}") == 0; });
}

// A scrape that comes as often as it can neither holds a heartbeat up nor takes memory.
TEST_F(MetricsOfAServer, ManyScrapes_DisturbNobody) {
  constexpr int kScrapes = 2000;
  RawPod pod(server_, "a", v1::PROFILE_FAST);
  const auto resident = [] {
    std::ifstream file("/proc/self/statm");
    size_t whole = 0, pages = 0;
    file >> whole >> pages;
    return pages * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  };
  HttpClient client(server_.http_port());
  size_t before = 0;
  Duration longest{};
  for (int i = 0; i < kScrapes; ++i) {
    client.Get("/metrics");
    ASSERT_EQ(TakeResponse(client).status, 200);
    if (i % 20 == 0) {
      const Instant began = Now();
      ASSERT_TRUE(pod.Beat());
      longest = std::max(longest, Now() - began);
    }
    if (i == kScrapes / 10) before = resident();
  }
  EXPECT_LT(longest, milliseconds(1000)) << "a third of the lease";
  EXPECT_LT(resident(), before + 8 * 1024 * 1024);
  EXPECT_EQ(Scrape().Sum("vigil_deaths_total"), 0);
  EXPECT_GE(Scrape().At("vigil_lease_margin_seconds_count"), kScrapes / 20);
}

// The database is away: the scrape tells of it and asks nothing.
TEST(MetricsWithoutADatabase, Scrape_IsAnswered) {
  TestServer server("host=127.0.0.1 port=1 connect_timeout=1");
  const auto response = Fetch(server.http_port(), "/metrics");
  EXPECT_EQ(response.status, 200);
  const MetricsText scrape(response.body);
  EXPECT_EQ(scrape.At("vigil_ready"), 0);
  EXPECT_EQ(scrape.At("vigil_trust_remaining_seconds"), 0);
  EXPECT_EQ(scrape.Sum("vigil_database_connections"), 0);
  EXPECT_FALSE(scrape.Value("vigil_lock_table_limit"));
}

TEST(MetricsWithoutADatabase, Outage_IsTold) {
  const TestDatabase database;
  TestServer server(MakePlainRole(database, "measured"));
  ASSERT_TRUE(server.WaitUntilReady());
  const auto scrape = [&] { return MetricsText(Fetch(server.http_port(), "/metrics").body); };
  const auto await = [&](const std::function<bool(const MetricsText&)>& holds) {
    const Instant deadline = Now() + kPatience;
    while (!holds(scrape()) && Now() < deadline) {
    }
    return scrape();
  };
  const double all = ConnectionsOf(Config{});
  MetricsText now =
      await([&](const MetricsText& told) { return told.Sum("vigil_database_connections") == all; });
  EXPECT_EQ(now.Sum("vigil_database_connections"), all);

  RunAsSuperuser(database.conninfo(), "ALTER ROLE measured CONNECTION LIMIT 0");
  RunAsSuperuser(
      database.conninfo(),
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'measured'");
  now =
      await([](const MetricsText& told) { return told.At("vigil_trust_remaining_seconds") < 12; });
  // The sessions are gone, and what they proved still counts.
  EXPECT_GT(now.At("vigil_trust_remaining_seconds"), 5);
  EXPECT_EQ(now.At("vigil_ready"), 1);
  EXPECT_LT(now.Sum("vigil_database_connections"), all);

  RunAsSuperuser(database.conninfo(), "ALTER ROLE measured CONNECTION LIMIT -1");
  now =
      await([](const MetricsText& told) { return told.At("vigil_trust_remaining_seconds") > 14; });
  EXPECT_GT(now.At("vigil_trust_remaining_seconds"), 14);
}

}  // namespace
}  // namespace vigil
