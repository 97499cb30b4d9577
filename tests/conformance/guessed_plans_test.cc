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
// What the living own, for those that count it.
constexpr int64_t kOwned = kLiving * kItemsEach;
// Less than all items, and than all pods for each of those that are taken.
constexpr int64_t kLittle = 8'000;

struct Known {
  const char* name;
  // How many pods have ended, with ten items each, before the tables are filled.
  int ended;
  // Whether Postgres analyzes the tables then.
  bool analyzed;
  // Whether the session plans then.
  bool planned;
};

class GuessedPlansTest : public CostsTest, public ::testing::WithParamInterface<Known> {
 protected:
  GuessedPlansTest() {
    const Known& known = GetParam();
    Run("ALTER TABLE vigil.pods SET (autovacuum_enabled = false);"
        "ALTER TABLE vigil.work_items SET (autovacuum_enabled = false);"
        "ALTER TABLE vigil.events SET (autovacuum_enabled = false);"
        "INSERT INTO vigil.namespaces (name) VALUES ('shop');"
        "INSERT INTO vigil.coordinators (coordinator, address, trust_window) VALUES (1, '', '1 "
        "s')");
    Fill(1, 1, "ALIVE", 0);
    Fill(101, known.ended, "DEAD", 10);
    if (known.analyzed) Run("ANALYZE");
    store_ = Open();
    if (known.planned) {
      EXPECT_TRUE(Claim());
      EXPECT_TRUE(Assign());
      EXPECT_TRUE(Declare());
      Resume();
      Register(2'000'000);
    }
    Fill(1001, kLiving, "ALIVE", kItemsEach);
    Fill(2001, kDead, "DEAD", kItemsEach);
    BeginToCount();
  }

  // Pods from a number on, of whose items every second one is assigned.
  void Fill(int first, int pods, const char* state, int items_each) {
    Run(fmt::format(
        "INSERT INTO vigil.pods (incarnation, namespace, name, registration_id, session_token,"
        "                        coordinator, session, profile, lease, state, cause, ended_at)"
        " SELECT n, 'shop', 'pod-' || n, n, 'token', 1, n, 'STRICT', '3 s', '{2}',"
        "        CASE '{2}' WHEN 'DEAD' THEN 'LOCK_FREE' ELSE 'NONE' END,"
        "        CASE '{2}' WHEN 'DEAD' THEN clock_timestamp() END"
        "   FROM generate_series({0}, {0} + {1} - 1) AS n;"
        "INSERT INTO vigil.work_items (namespace, key, owner, policy)"
        " SELECT 'shop', n || '-' || i, n, CASE i % 2 WHEN 0 THEN 'COMPETE' ELSE 'ASSIGN' END"
        "   FROM generate_series({0}, {0} + {1} - 1) AS n, generate_series(1, {3}) AS i",
        first, pods, state, items_each));
  }

  static std::vector<HostedPod> Some(uint64_t pods) {
    std::vector<HostedPod> some;
    for (uint64_t number = 1001; number <= 1000 + pods; ++number) {
      some.push_back({{number}, {number}});
    }
    return some;
  }

  Result<std::vector<WorkItem>> Claim() {
    return store_->ClaimOrphans({.ns = kShop, .claimant = kClaimant, .limit = kTaken});
  }
  Result<AssignedWork> Assign() { return store_->AssignWork(kShop, kTaken); }
  Result<WrittenEvents> Declare() {
    return store_->DeclareHosted(kShop, Cause::kStreamEnded, Some(kLiving), {});
  }
  std::vector<Result<Pod>> Resume() {
    std::vector<ResumePod> pods;
    for (const HostedPod& pod : Some(32)) {
      pods.push_back({kShop, pod.incarnation, "token", {1}, {pod.session.value + 1'000'000}});
    }
    return store_->ResumeTogether(pods, {});
  }
  std::vector<Result<RegisterOutcome>> Register(uint64_t first_session) {
    std::vector<NewPod> pods;
    for (uint64_t session = first_session; session < first_session + kTaken; ++session) {
      pods.push_back({.ns = kShop,
                      .name = std::to_string(session),
                      .registration_id = std::to_string(session),
                      .lease = std::chrono::seconds(3),
                      .coordinator = {1},
                      .session = {session}});
    }
    return store_->RegisterTogether(pods, {});
  }

  int64_t VisitedInTheEnd() {
    Close(std::move(store_));
    return Visited();
  }

  std::unique_ptr<PostgresStore> store_;
};

TEST_P(GuessedPlansTest, ClaimOrphans_ReadsLittleMoreThanItTakes) {
  const auto claimed = Claim();
  ASSERT_TRUE(claimed) << claimed.error().message;
  EXPECT_EQ(claimed->size(), kTaken);
  EXPECT_LT(VisitedInTheEnd(), kLittle);
}

TEST_P(GuessedPlansTest, AssignWork_ReadsLittleMoreThanItGivesAndCounts) {
  const auto done = Assign();
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->assigned, kTaken);
  EXPECT_LT(VisitedInTheEnd(), kOwned + kLittle);
}

TEST_P(GuessedPlansTest, DeclareHosted_ReadsLittleMoreThanItCounts) {
  const auto written = Declare();
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_LT(VisitedInTheEnd(), kOwned + kLittle);
}

TEST_P(GuessedPlansTest, Resume_ReadsLittleMoreThanItMoves) {
  for (const auto& pod : Resume()) ASSERT_TRUE(pod) << pod.error().message;
  EXPECT_LT(VisitedInTheEnd(), kLittle);
}

TEST_P(GuessedPlansTest, Register_ReadsLittleMoreThanItBegins) {
  for (const auto& outcome : Register(3'000'000)) ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_LT(VisitedInTheEnd(), kLittle);
}

INSTANTIATE_TEST_SUITE_P(Postgres, GuessedPlansTest,
                         ::testing::Values(Known{"NeverAnalyzed", 0, false, false},
                                           Known{"PlannedBeforeTheyWereFilled", 0, false, true},
                                           Known{"AnalyzedWhenEmpty", 0, true, true},
                                           Known{"AnalyzedWhenSmall", 5, true, true},
                                           Known{"AnalyzedWhenNotSoSmall", 50, true, true}),
                         [](const auto& known) { return std::string(known.param.name); });

}  // namespace
}  // namespace vigil
