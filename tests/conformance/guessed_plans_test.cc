// What Postgres reads before it has analyzed the tables. Until then, which takes it a minute, it
// plans by guesses; and a session that planned when they were small goes on as it did.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "conformance/costs_test.h"

namespace vigil {
namespace {

constexpr auto kShop = "shop";
constexpr Incarnation kClaimant{1};
// Pods, with so many items each.
constexpr int kDead = 10;
constexpr int kLiving = 100;
constexpr int kItemsEach = 200;
constexpr uint32_t kTaken = 100;

struct Known {
  const char* name;
  // What Postgres does while the tables are empty.
  const char* before;
  // Whether the session has planned by then.
  bool planned;
};

class GuessedPlansTest : public CostsTest, public ::testing::WithParamInterface<Known> {
 protected:
  GuessedPlansTest() {
    Run("ALTER TABLE vigil.pods SET (autovacuum_enabled = false);"
        "ALTER TABLE vigil.work_items SET (autovacuum_enabled = false);"
        "ALTER TABLE vigil.events SET (autovacuum_enabled = false);"
        "INSERT INTO vigil.namespaces (name) VALUES ('shop');"
        "INSERT INTO vigil.coordinators (coordinator, address, trust_window) VALUES (1, '', '1 s');"
        "INSERT INTO vigil.pods (incarnation, namespace, name, registration_id, session_token,"
        "                        coordinator, session, profile, lease)"
        " VALUES (1, 'shop', 'pod-1', '1', 'token', 1, 1, 'STRICT', '3 s')");
    if (*GetParam().before != '\0') Run(GetParam().before);
    store_ = Open();
    if (GetParam().planned) {
      Claim();
      Assign();
      Declare();
      Resume();
      Register("early");
    }
    // By turns for whoever claims and for whom they are assigned to.
    Run(fmt::format(
        "INSERT INTO vigil.pods (incarnation, namespace, name, registration_id, session_token,"
        "                        coordinator, session, profile, lease, state, cause, ended_at)"
        " SELECT n, 'shop', 'pod-' || n, n, 'token', 1, n, 'STRICT', '3 s',"
        "        CASE WHEN n > {1} THEN 'DEAD' ELSE 'ALIVE' END,"
        "        CASE WHEN n > {1} THEN 'LOCK_FREE' ELSE 'NONE' END,"
        "        CASE WHEN n > {1} THEN clock_timestamp() END"
        "   FROM generate_series(1001, 1000 + {0} + {1}) AS n;"
        "INSERT INTO vigil.work_items (namespace, key, owner, policy)"
        " SELECT 'shop', n || '-' || i, n, CASE i % 2 WHEN 0 THEN 'COMPETE' ELSE 'ASSIGN' END"
        "   FROM generate_series(1001, 1000 + {0} + {2}) AS n, generate_series(1, {3}) AS i",
        kLiving, 1000 + kLiving, kDead, kItemsEach));
    BeginToCount();
  }

  std::vector<HostedPod> Some(int pods) {
    std::vector<HostedPod> some;
    for (int i = 0; i < pods; ++i) some.push_back({{1001U + i}, {1001U + i}});
    return some;
  }

  auto Claim() {
    return store_->ClaimOrphans({.ns = kShop, .claimant = kClaimant, .limit = kTaken});
  }
  auto Assign() { return store_->AssignWork(kShop, kTaken); }
  auto Declare() { return store_->DeclareHosted(kShop, Cause::kStreamEnded, Some(kLiving), {}); }
  auto Resume() {
    std::vector<ResumePod> pods;
    for (const HostedPod& pod : Some(32)) {
      pods.push_back({kShop, pod.incarnation, "token", {1}, {pod.session.value + 1'000'000}});
    }
    return store_->Resume(pods);
  }
  auto Register(const std::string& prefix) {
    std::vector<NewPod> pods;
    for (uint64_t i = 0; i < 100; ++i) {
      const std::string name = prefix + std::to_string(i);
      pods.push_back({.ns = kShop,
                      .name = name,
                      .registration_id = name,
                      .lease = std::chrono::seconds(3),
                      .coordinator = {1},
                      .session = {(prefix == "early" ? 2'000'000U : 3'000'000U) + i}});
    }
    return store_->RegisterTogether(pods);
  }

  int64_t VisitedInTheEnd() {
    Close(std::move(store_));
    return Visited();
  }

  std::unique_ptr<PostgresStore> store_;
};

TEST_P(GuessedPlansTest, ClaimOrphans_ReadsNoMoreThanItTakes) {
  const auto claimed = Claim();
  ASSERT_TRUE(claimed) << claimed.error().message;
  EXPECT_EQ(claimed->size(), kTaken);
  EXPECT_LT(VisitedInTheEnd(), 0);
}

TEST_P(GuessedPlansTest, AssignWork_ReadsNoMoreThanItGives) {
  const auto done = Assign();
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->assigned, kTaken);
  EXPECT_LT(VisitedInTheEnd(), 0);
}

TEST_P(GuessedPlansTest, DeclareHosted_ReadsNoMoreThanItEnds) {
  const auto written = Declare();
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(written->size(), size_t{kLiving});
  EXPECT_LT(VisitedInTheEnd(), 0);
}

TEST_P(GuessedPlansTest, Resume_ReadsNoMoreThanItMoves) {
  const auto resumed = Resume();
  ASSERT_TRUE(resumed) << resumed.error().message;
  for (const auto& pod : *resumed) EXPECT_TRUE(pod);
  EXPECT_LT(VisitedInTheEnd(), 0);
}

TEST_P(GuessedPlansTest, Register_ReadsNoMoreThanItBegins) {
  for (const auto& outcome : Register("late")) ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_LT(VisitedInTheEnd(), 0);
}

INSTANTIATE_TEST_SUITE_P(Postgres, GuessedPlansTest,
                         ::testing::Values(Known{"NeverAnalyzed", "", false},
                                           Known{"PlannedBeforeTheyWereFilled", "", true},
                                           Known{"AnalyzedWhenEmpty", "VACUUM ANALYZE", true}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace vigil
