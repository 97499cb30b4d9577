// What the recovery of work costs on Postgres: what the orphans are, and not what the living own.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "conformance/costs_test.h"
#include "core/errors.h"

namespace vigil {
namespace {

using std::chrono::seconds;

constexpr auto kShop = "shop";
constexpr int kItemsEach = 1000;
constexpr int kLiving = 20;
constexpr int kEnded = 300;
constexpr Incarnation kClaimant{1};
constexpr Incarnation kDead{1001};

class WorkCostsTest : public CostsTest {
 protected:
  // Twenty living pods with a thousand items each, and three hundred that own nothing and end; with
  // another one that owns three.
  explicit WorkCostsTest() {
    Run(fmt::format(
        "INSERT INTO vigil.namespaces (name) VALUES ('shop');"
        "INSERT INTO vigil.pods (incarnation, namespace, name, registration_id, session_token,"
        "                        coordinator, session, profile, lease)"
        " SELECT n, 'shop', 'pod-' || n, n, '', 1, n, 'STRICT', '3 s'"
        "   FROM generate_series(1, 2000) AS n WHERE n <= {0} OR n > 1000 AND n <= 1001 + {1};"
        "INSERT INTO vigil.work_items (namespace, key, owner, policy)"
        " SELECT 'shop', n || '-' || i, n, CASE i % 2 WHEN 0 THEN 'COMPETE' ELSE 'ASSIGN' END"
        "   FROM generate_series(1, {0}) AS n, generate_series(1, {2}) AS i;"
        "INSERT INTO vigil.work_items (namespace, key, owner, policy)"
        " SELECT 'shop', 'left-' || i, 1001, CASE i WHEN 3 THEN 'ASSIGN' ELSE 'COMPETE' END"
        "   FROM generate_series(1, 3) AS i;"
        "ANALYZE vigil.pods, vigil.work_items",
        kLiving, kEnded, kItemsEach));
    std::vector<HostedPod> ended;
    for (uint64_t number = kDead.value; number <= kDead.value + kEnded; ++number) {
      ended.push_back({{number}, {number}});
    }
    auto store = Open();
    EXPECT_TRUE(store->DeclareHosted(kShop, Cause::kStreamEnded, ended, {}));
    Close(std::move(store));
    BeginToCount();
  }

  // So many more orphans of the policy COMPETE.
  void AddBacklog(int items) {
    Run(
        fmt::format("INSERT INTO vigil.work_items (namespace, key, owner)"
                    " SELECT 'shop', 'backlog-' || i, 1001"
                    "   FROM generate_series(1, {}) AS i; ANALYZE vigil.work_items",
                    items));
    BeginToCount();
  }

  // So many more events, of which nothing tells.
  void AddEvents(int events) {
    Run(
        fmt::format("INSERT INTO vigil.events (namespace, seq, transaction_end, kind, pod_name,"
                    "                          incarnation)"
                    " SELECT 'shop', head + i, head + i, 'POD_REGISTERED', 'pod-1', 1"
                    "   FROM vigil.namespaces, generate_series(1, {0}) AS i;"
                    "UPDATE vigil.namespaces SET head = head + {0}; ANALYZE vigil.events",
                    events));
    BeginToCount();
  }

  // Who must have acknowledged a commit, beside the server's own disk.
  void SetStandby(const std::string& name) {
    Run("ALTER SYSTEM SET synchronous_standby_names = '" + name + "'");
    Run("SELECT pg_reload_conf()");
  }
};

TEST_F(WorkCostsTest, ClaimOrphans_LooksAtNothingOfTheLiving) {
  auto store = Open();
  const auto claimed =
      store->ClaimOrphans({.ns = kShop, .claimant = kClaimant, .limit = 10, .request_id = "r1"});
  ASSERT_TRUE(claimed) << claimed.error().message;
  ASSERT_EQ(claimed->size(), 2U);
  // Nor when there is nothing left, and with a filter.
  for (int i = 0; i < 3; ++i) {
    const auto none = store->ClaimOrphans({.ns = kShop,
                                           .claimant = kClaimant,
                                           .limit = 10,
                                           .choice = {.kinds = {"mail"}},
                                           .request_id = fmt::format("n{}", i)});
    ASSERT_TRUE(none && none->empty());
  }
  Close(std::move(store));

  EXPECT_LT(Visited(), kItemsEach / 2);
}

TEST_F(WorkCostsTest, ListAssignable_LooksAtNothingOfTheLiving) {
  auto store = Open();
  for (int i = 0; i < 3; ++i) {
    const auto listed = store->ListAssignable("", 100);
    ASSERT_TRUE(listed) << listed.error().message;
    EXPECT_EQ(*listed, std::vector<std::string>{kShop});
  }
  Close(std::move(store));

  EXPECT_LT(Visited(), kItemsEach / 2);
}

TEST_F(WorkCostsTest, CountWaiting_LooksAtNothingOfTheLiving) {
  auto store = Open();
  for (int i = 0; i < 3; ++i) {
    const auto waiting = store->CountWaiting();
    ASSERT_TRUE(waiting) << waiting.error().message;
    EXPECT_EQ(waiting->compete, 2U);
    EXPECT_EQ(waiting->assign, 1U);
  }
  Close(std::move(store));

  EXPECT_LT(Visited(), kItemsEach / 2);
}

// P11
TEST_F(WorkCostsTest, CountWaiting_NoFurtherThanItSays) {
  AddBacklog(5 * kMostWaiting);
  auto store = Open();
  const auto waiting = store->CountWaiting();
  ASSERT_TRUE(waiting) << waiting.error().message;
  EXPECT_EQ(waiting->compete + waiting->assign, kMostWaiting);
  Close(std::move(store));

  EXPECT_LT(Visited(), 3 * int64_t{kMostWaiting});
}

// But to see who owns the fewest it counts what each of those owns who may be given something.
TEST_F(WorkCostsTest, AssignWork_OnlyCountsWhatTheLivingOwn) {
  auto store = Open();
  const auto done = store->AssignWork(kShop, 100);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->assigned, 1U);
  Close(std::move(store));

  EXPECT_LT(Visited(), (kLiving + 1) * kItemsEach);
}

// Orphans of other policies, which are for whoever claims them, are not looked at, however many.
TEST_F(WorkCostsTest, Assigning_LooksAtNothingThatIsForOthers) {
  constexpr int kBacklog = 30 * kItemsEach;
  AddBacklog(kBacklog);
  auto store = Open();
  const auto listed = store->ListAssignable("", 100);
  ASSERT_TRUE(listed) << listed.error().message;
  EXPECT_EQ(*listed, std::vector<std::string>{kShop});
  const auto done = store->AssignWork(kShop, 100);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->assigned, 1U);
  const auto none = store->ListAssignable("", 100);
  ASSERT_TRUE(none && none->empty());
  Close(std::move(store));

  // It counts what the living own.
  EXPECT_LT(Visited(), (kLiving + 1) * kItemsEach);
}

// An operator looks again and again, whatever the living own and however long the log is.
TEST_F(WorkCostsTest, Overview_LooksAtNothingOfTheLivingAndAtTheEndOfTheLog) {  // P11
  constexpr int kEvents = 30 * kItemsEach;
  constexpr OverviewLimits kLimits{.events_read = 200};
  constexpr int kTimes = 7;  // Postgres may change its plan after five
  AddEvents(kEvents);
  auto store = Open();
  for (int i = 0; i < kTimes; ++i) {
    const auto overview = store->ReadOverview(kShop, kLimits);
    ASSERT_TRUE(overview) << overview.error().message;
    EXPECT_EQ(overview->alive, uint64_t{kLiving});
    EXPECT_EQ(overview->orphans.number, 3U);
  }
  Close(std::move(store));

  // What has ended, and the living pods, each by more than one index.
  EXPECT_LT(Visited() / kTimes, 200 + 6 * (kEnded + kLiving));
}

// It changes nothing. One that the claimant has won already waits: its answer stands for a commit.
TEST_F(WorkCostsTest, Claim_ThatComesTooLateWaitsForNoCommit) {
  const auto claim = [](const char* key, Incarnation claimant) {
    return WorkClaim{.ns = kShop,
                     .key = key,
                     .claimant = claimant,
                     .expected_owner = kDead,
                     .expected_fence = Fence{1}};
  };
  auto store = Open();
  ASSERT_TRUE(store->ClaimWork(claim("left-1", {1})));
  ASSERT_TRUE(store->ClaimWork(claim("left-2", {2})));
  SetStandby("nobody");
  const Instant deadline = SystemClock().Now() + seconds(20);
  auto repeated = Open(std::chrono::milliseconds(200))->ClaimWork(claim("left-1", {1}));
  while (repeated && SystemClock().Now() < deadline) {
    repeated = Open(std::chrono::milliseconds(200))->ClaimWork(claim("left-1", {1}));
  }

  const auto late = Open(seconds(5))->ClaimWork(claim("left-2", {3}));

  SetStandby("");
  ASSERT_FALSE(repeated) << "nobody acknowledges it";
  EXPECT_EQ(repeated.error().reason, reason::kOutcomeUnknown);
  ASSERT_TRUE(late) << late.error().message;
  EXPECT_EQ(late->outcome, ClaimOutcome::kLost);
}

}  // namespace
}  // namespace vigil
