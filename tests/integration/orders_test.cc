// An application's own tables, fenced as client/examples shows it: what a stale owner writes is
// refused.
#include "examples/orders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <fstream>
#include <future>
#include <sstream>

#include "store/postgres/postgres_database.h"
#include "support/store_test_database.h"

namespace vigil {
namespace {

using std::chrono::seconds;
using Outcome = Orders::Outcome;

constexpr char kNs[] = "shop";
constexpr char kOrder[] = "order-7";

std::string ReadExample(const std::string& name) {
  std::ifstream file(std::string(VIGIL_SOURCE_DIR "/client/examples/") + name);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_FALSE(text.str().empty()) << name;
  return text.str();
}

// A session of the application's.
class Session {
 public:
  explicit Session(const std::string& conninfo)
      : connection_(PQconnectdb(conninfo.c_str()), PQfinish) {
    EXPECT_EQ(PQstatus(connection_.get()), CONNECTION_OK) << PQerrorMessage(connection_.get());
  }

  PGconn* get() const { return connection_.get(); }

  // How many rows the last statement changed or found.
  int Run(const std::string& sql) const {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(
        PQexec(connection_.get(), sql.c_str()), PQclear);
    const auto status = PQresultStatus(result.get());
    EXPECT_TRUE(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        << sql << ": " << PQerrorMessage(connection_.get());
    return std::atoi(PQcmdTuples(result.get()));
  }

  // The only value of the only row.
  std::string Ask(const std::string& sql) const {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(
        PQexec(connection_.get(), sql.c_str()), PQclear);
    EXPECT_EQ(PQntuples(result.get()), 1) << sql << ": " << PQerrorMessage(connection_.get());
    return PQntuples(result.get()) == 1 ? PQgetvalue(result.get(), 0, 0) : "";
  }

 private:
  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
};

// The item of the order has gone from the stale owner, which was declared dead, to the new one.
class OrdersTest : public testing::Test {
 protected:
  OrdersTest() {
    application_.Run(ReadExample("orders.sql"));
    application_.Run(std::string("INSERT INTO orders VALUES ('") + kOrder + "')");
    stale_ = Register("stale");
    new_ = Register("new");
    const auto started = store_->StartWork(
        {.ns = kNs, .key = kOrder, .starter = stale_.incarnation, .traits = {.max_adoptions = 5}});
    EXPECT_TRUE(started);
    stale_fence_ = started->item.fence.value;
  }

  Pod Register(const std::string& name) {
    ++numbers_;
    auto outcome = store_->Register(
        {.ns = kNs,
         .name = name,
         .registration_id = "registration " + std::to_string(numbers_) + " of " + name,
         .session_token = "token",
         .lease = seconds(3),
         .coordinator = {1},
         .session = {numbers_}});
    EXPECT_TRUE(outcome);
    return outcome ? std::get<Registered>(*outcome).pod : Pod{};
  }

  void Kill(const Pod& pod) {
    EXPECT_TRUE(store_->DeclareHosted(kNs, Cause::kStreamEnded, {{pod.incarnation, pod.session}}));
  }

  // The new owner's fence.
  uint64_t TakeOver() {
    Kill(stale_);
    const auto claimed = Claim();
    EXPECT_TRUE(claimed) << claimed.error().message;
    EXPECT_EQ(claimed->outcome, ClaimOutcome::kClaimed);
    return claimed->item.fence.value;
  }
  Result<ClaimedWork> Claim() {
    return database_.OpenStore(seconds(20))
        ->ClaimWork({.ns = kNs,
                     .key = kOrder,
                     .claimant = new_.incarnation,
                     .expected_owner = stale_.incarnation,
                     .expected_fence = {stale_fence_}});
  }

  // Until somebody waits for a lock that another one has.
  void AwaitWaiting() const {
    const SystemClock clock;
    const Instant limit = clock.Now() + seconds(20);
    while (application_.Ask("SELECT count(*) FROM pg_locks WHERE NOT granted") == "0") {
      ASSERT_LT(clock.Now(), limit);
    }
  }

  std::string Parcels() const {
    return application_.Ask(
        "SELECT coalesce(string_agg(contents, ',' ORDER BY number), '')"
        " FROM parcels");
  }

  TestDatabase test_database_;
  EventLoop loop_;
  PostgresDatabase database_{loop_, loop_, {.conninfo = test_database_.conninfo()}};
  const std::unique_ptr<Store> store_ = database_.OpenStore(seconds(20));
  const Session application_{test_database_.conninfo()};
  Pod stale_;
  Pod new_;
  uint64_t stale_fence_ = 0;
  uint64_t numbers_ = 0;
};

// P5
TEST_F(OrdersTest, OwnTables_AStaleOwnersWholeTransactionIsRefused) {
  const Session stale_session(test_database_.conninfo());
  const Session new_session(test_database_.conninfo());
  Orders stale(stale_session.get());
  Orders successor(new_session.get());
  ASSERT_EQ(stale.TakeOver(kOrder, stale_fence_), Outcome::kDone);
  ASSERT_EQ(stale.Pack(kOrder, stale_fence_, 1, "one"), Outcome::kDone);
  const uint64_t fence = TakeOver();
  ASSERT_EQ(successor.TakeOver(kOrder, fence), Outcome::kDone);

  EXPECT_EQ(stale.Pack(kOrder, stale_fence_, 2, "late"), Outcome::kFenced);
  EXPECT_EQ(stale.TakeOver(kOrder, stale_fence_), Outcome::kFenced);
  EXPECT_EQ(successor.CountParcels(kOrder), 1);
  EXPECT_EQ(successor.Pack(kOrder, fence, 2, "two"), Outcome::kDone);
  EXPECT_EQ(stale.Pack(kOrder, stale_fence_, 3, "later"), Outcome::kFenced);
  EXPECT_EQ(Parcels(), "one,two");
  EXPECT_EQ(application_.Ask("SELECT status FROM orders"), "PACKED 2");
}

// What it has written before it looked goes, too. In SQL alone, as the file has it.
TEST_F(OrdersTest, OwnTables_TheStatementsOfTheFileRefuseTheStaleOwner) {
  EXPECT_EQ(application_.Run("EXECUTE own_order('order-7', 2)"), 1);
  application_.Run("BEGIN; INSERT INTO parcels VALUES ('order-7', 1, 'late')");
  EXPECT_EQ(application_.Run("EXECUTE own_order('order-7', 1)"), 0);
  application_.Run("ROLLBACK");
  EXPECT_EQ(application_.Run("EXECUTE set_status('order-7', 1, 'LATE')"), 0);
  EXPECT_EQ(application_.Run("EXECUTE set_status('order-7', 2, 'READY')"), 1);
  EXPECT_EQ(application_.Run("EXECUTE set_status('order-7', 3, 'SENT')"), 1);
  EXPECT_EQ(application_.Run("EXECUTE set_status('order-7', 2, 'LATE')"), 0);
  EXPECT_EQ(Parcels(), "");
  EXPECT_EQ(application_.Ask("SELECT status FROM orders"), "SENT");
}

TEST_F(OrdersTest, OwnTables_UntilTheNewOwnerHasWrittenItsFenceTheStaleOneIsLetIn) {
  const Session stale_session(test_database_.conninfo());
  const Session new_session(test_database_.conninfo());
  Orders stale(stale_session.get());
  Orders successor(new_session.get());
  ASSERT_EQ(stale.TakeOver(kOrder, stale_fence_), Outcome::kDone);
  const uint64_t fence = TakeOver();

  // Which harms nobody: whoever writes its fence first, and reads then, goes on from there.
  EXPECT_EQ(stale.Pack(kOrder, stale_fence_, 1, "just in time"), Outcome::kDone);
  ASSERT_EQ(successor.TakeOver(kOrder, fence), Outcome::kDone);
  EXPECT_EQ(successor.CountParcels(kOrder), 1);
  EXPECT_EQ(stale.Pack(kOrder, stale_fence_, 2, "late"), Outcome::kFenced);
  EXPECT_EQ(Parcels(), "just in time");
}

TEST_F(OrdersTest, OwnTables_TheNewOwnerWaitsForAWriteThatIsUnderWay) {
  const uint64_t fence = TakeOver();
  const Session stale(test_database_.conninfo());
  stale.Run(ReadExample("orders.sql"));
  stale.Run("BEGIN");
  ASSERT_EQ(stale.Run("EXECUTE own_order('order-7', 1)"), 1);
  stale.Run("INSERT INTO parcels VALUES ('order-7', 1, 'under way')");
  const Session new_session(test_database_.conninfo());
  Orders successor(new_session.get());
  auto taken = std::async(std::launch::async, [&] { return successor.TakeOver(kOrder, fence); });
  ASSERT_NO_FATAL_FAILURE(AwaitWaiting());
  EXPECT_EQ(taken.wait_for(seconds(0)), std::future_status::timeout);

  stale.Run("COMMIT");

  EXPECT_EQ(taken.get(), Outcome::kDone);
  EXPECT_EQ(successor.CountParcels(kOrder), 1);
}

TEST_F(OrdersTest, OwnTables_WhatIsOfAPodGoesByItsIncarnation) {
  const Pod first = Register("printing");
  Kill(first);
  const Pod second = Register("printing");
  const auto set = [&](const Pod& pod, int left) {
    return application_.Run("EXECUTE set_labels_left('printing', " +
                            std::to_string(pod.incarnation.value) + ", " + std::to_string(left) +
                            ")");
  };
  EXPECT_EQ(set(first, 100), 1);
  EXPECT_EQ(set(first, 99), 1);
  EXPECT_EQ(set(second, 500), 1);
  EXPECT_EQ(set(first, 98), 0);
  EXPECT_EQ(application_.Ask("SELECT labels_left FROM printers"), "500");
}

// --- Beside Vigil's tables, as a role that may do no more than the file says.

class OrdersBesideVigil : public OrdersTest {
 protected:
  OrdersBesideVigil() {
    RunAsSuperuser(test_database_.conninfo(),
                   "DROP ROLE IF EXISTS application; CREATE ROLE application;"
                   "GRANT USAGE ON SCHEMA vigil TO application;"
                   "GRANT SELECT, UPDATE (updated_at) ON vigil.work_items TO application;"
                   "GRANT ALL ON orders, parcels TO application");
  }
  ~OrdersBesideVigil() override {
    RunAsSuperuser(test_database_.conninfo(), "DROP OWNED BY application; DROP ROLE application");
  }

  Session Beside() const {
    Session session(test_database_.conninfo());
    session.Run("SET ROLE application");
    session.Run(ReadExample("orders_beside_vigil.sql"));
    return session;
  }

  std::string Own(const Pod& pod, uint64_t fence) const {
    return "EXECUTE own_item('shop', 'order-7', " + std::to_string(pod.incarnation.value) + ", " +
           std::to_string(fence) + ")";
  }
};

// P5
TEST_F(OrdersBesideVigil, FromTheClaimOnAStaleOwnersWholeTransactionIsRefused) {
  const Session stale = Beside();
  EXPECT_EQ(stale.Run(Own(stale_, stale_fence_)), 1);
  EXPECT_EQ(stale.Run(Own(new_, stale_fence_)), 0);
  const uint64_t fence = TakeOver();

  stale.Run("BEGIN; INSERT INTO parcels VALUES ('order-7', 1, 'late')");
  EXPECT_EQ(stale.Run(Own(stale_, stale_fence_)), 0);
  stale.Run("ROLLBACK");

  EXPECT_EQ(stale.Run(Own(new_, fence)), 1);
  EXPECT_EQ(Parcels(), "");
}

TEST_F(OrdersBesideVigil, TheItemDoesNotChangeHandsWhileItsOwnerWrites) {
  const Session owner = Beside();
  owner.Run("BEGIN");
  ASSERT_EQ(owner.Run(Own(stale_, stale_fence_)), 1);
  Kill(stale_);
  EXPECT_TRUE(store_->ClaimOrphans({.ns = kNs, .claimant = new_.incarnation, .limit = 10})->empty())
      << "it is passed over";
  auto claimed = std::async(std::launch::async, [this] { return Claim(); });
  ASSERT_NO_FATAL_FAILURE(AwaitWaiting());
  owner.Run("INSERT INTO parcels VALUES ('order-7', 1, 'in time')");
  EXPECT_EQ(claimed.wait_for(seconds(0)), std::future_status::timeout);

  owner.Run("COMMIT");

  const auto won = claimed.get();
  ASSERT_TRUE(won) << won.error().message;
  EXPECT_EQ(won->outcome, ClaimOutcome::kClaimed);
  EXPECT_EQ(Parcels(), "in time");
}

}  // namespace
}  // namespace vigil
