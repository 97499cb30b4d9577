// What a batch promises when all goes well, and what it says when the database does not.
#include "pg/connection.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "cluster_test.h"
#include "pg/link.h"

namespace vigil::pg {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Statement kInsert{"insert", "INSERT INTO items VALUES ($1)"};
constexpr Statement kCount{"count", "SELECT count(*) FROM items"};
constexpr Statement kOne{"one", "SELECT 1"};
constexpr Statement kPause{"pause", "SELECT pg_sleep(30)::text"};
constexpr Statement kWarn{"warn", "SELECT warn()"};
constexpr Statement kBackend{"backend", "SELECT pg_terminate_backend($1::integer)"};
constexpr Statement kEndMyself{"end_myself", "SELECT pg_terminate_backend(pg_backend_pid())"};

class ConnectionTest : public ClusterTest {
 protected:
  void SetUp() override {
    ClusterTest::SetUp();
    auto connection = Connect();
    const auto done = connection->ExecuteScript(
        "CREATE TABLE items (number bigint PRIMARY KEY CHECK (number > 0));"
        "CREATE FUNCTION warn() RETURNS bigint LANGUAGE plpgsql AS"
        "  $$BEGIN RAISE WARNING 'not quite'; RETURN 1; END$$",
        In(seconds(10)));
    ASSERT_TRUE(done) << done.error().error.message;
  }

  int64_t Count() {
    auto rows = Connect()->Execute({.steps = {{&kCount, {}}}, .changes = false}, In(seconds(10)));
    return rows ? rows->front()[0].Bigint() : -1;
  }
};

// A database may have been given other defaults.
TEST_F(ConnectionTest, SettingsForRequests_WinOverTheServers) {
  constexpr Statement kShow{"show",
                            "SELECT current_setting('jit'), current_setting('plan_cache_mode'),"
                            "       current_setting('synchronous_commit')"};
  auto connection = Connection::Open(
      {.conninfo = conninfo(), .settings = SettingsForRequests(seconds(5))}, In(seconds(10)));
  ASSERT_TRUE(connection) << connection.error().error.message;
  auto rows = (*connection)->Execute({.steps = {{&kShow, {}}}, .changes = false}, In(seconds(10)));
  ASSERT_TRUE(rows) << rows.error().error.message;
  Row row = rows->front()[0];
  EXPECT_EQ(row.Text(), "off");
  EXPECT_EQ(row.Text(), "force_generic_plan");
  EXPECT_EQ(row.Text(), "on");
}

TEST(Conninfo, AMalformedOneIsRefusedWithoutBeingQuoted) {
  for (const std::string text :
       {"host=127.0.0.1 password=open sesame", "postgresql://u:s%zame@h/d",
        "postgresql://u:open/sesame@127.0.0.1/d", "postgresql://u:sesame/x@127.0.0.1/d",
        "postgresql://u@w:sesame@127.0.0.1:1/d", "postgresql://u:op@sesame@127.0.0.1:1/d",
        "host=127.0.0.1 port=sesame"}) {
    const auto connection = Connection::Open({.conninfo = text}, SystemClock().Now() + seconds(1));
    ASSERT_FALSE(connection);
    const Error& error = connection.error().error;
    EXPECT_EQ((error.message + error.hint).find("sesame"), std::string::npos) << error.message;
    EXPECT_EQ((error.message + error.hint).find("zame"), std::string::npos) << error.message;
  }
}

TEST(Conninfo, APasswordIsRecognizedHoweverItIsWritten) {
  for (const std::string with :
       {"password=x", "host=h password = 'x y'", "postgresql://u:x@h/d", "postgres://u@w:x@h/d",
        "postgresql://u:x/y@h/d", "postgresql://h/d?password=x", "postgresql://h/d?%70assword=x",
        "host=h password=open sesame"}) {
    EXPECT_TRUE(MayHoldPassword(with)) << with;
  }
  for (const std::string without :
       {"", "host=h port=1 dbname=password", "postgresql://u@h:5432/d", "postgresql:///d?host=/tmp",
        "postgresql://u@a:1,b:2/d?passfile=/etc/pass", "passfile=/run/password"}) {
    EXPECT_FALSE(MayHoldPassword(without)) << without;
    EXPECT_TRUE(CheckConninfo(without)) << without;
  }
}

TEST_F(ConnectionTest, Batch_IsOneTransaction) {
  auto connection = Connect();
  auto rows = connection->Execute({.steps = {{&kInsert, {1}}, {&kInsert, {2}}, {&kCount, {}}}},
                                  In(seconds(10)));
  ASSERT_TRUE(rows) << rows.error().error.message;
  ASSERT_EQ(rows->size(), 3u);
  EXPECT_EQ((*rows)[2][0].Bigint(), 2);

  rows = connection->Execute({.steps = {{&kInsert, {3}}, {&kInsert, {2}}}}, In(seconds(10)));
  ASSERT_FALSE(rows);
  EXPECT_THAT(rows.error().error.message, testing::HasSubstr("items_pkey"));
  EXPECT_EQ(Count(), 2);
}

TEST_F(ConnectionTest, Batch_OutlivesAnErrorThatKeepsTheConnection) {
  constexpr Statement kImpatient{"impatient",
                                 "SELECT set_config('statement_timeout', '50ms', true)"};
  auto connection = Connect();
  auto rows = connection->Execute({.steps = {{&kImpatient, {}}, {&kPause, {}}, {&kOne, {}}}},
                                  In(seconds(10)));
  ASSERT_FALSE(rows);
  EXPECT_TRUE(rows.error().error.Is(kDatabaseUnavailable)) << rows.error().error.message;
  EXPECT_FALSE(rows.error().lost);
  rows = connection->Execute({.steps = {{&kOne, {}}, {&kCount, {}}}}, In(seconds(10)));
  ASSERT_TRUE(rows) << rows.error().error.message;
}

TEST_F(ConnectionTest, Deadline_ClosesTheSocketAndLeavesTheOutcomeUnknown) {
  auto connection = Connect();
  const Instant begin = SystemClock().Now();
  auto rows =
      connection->Execute({.steps = {{&kInsert, {1}}, {&kPause, {}}}}, In(milliseconds(200)));
  EXPECT_LT(SystemClock().Now() - begin, seconds(5));
  ASSERT_FALSE(rows);
  EXPECT_TRUE(rows.error().error.Is(kOutcomeUnknown));
  EXPECT_TRUE(rows.error().lost);
  EXPECT_FALSE(connection->LooksAlive());
}

TEST_F(ConnectionTest, Deadline_OfAReadChangesNothing) {
  auto connection = Connect();
  auto rows =
      connection->Execute({.steps = {{&kPause, {}}}, .changes = false}, In(milliseconds(200)));
  ASSERT_FALSE(rows);
  EXPECT_TRUE(rows.error().error.Is(kDatabaseUnavailable));
}

TEST_F(ConnectionTest, Commit_WithAWarningIsNotAcknowledged) {
  auto connection = Connect();
  auto rows = connection->Execute({.steps = {{&kInsert, {1}}, {&kWarn, {}}}}, In(seconds(10)));
  ASSERT_FALSE(rows);
  EXPECT_TRUE(rows.error().error.Is(kOutcomeUnknown));
  EXPECT_THAT(rows.error().error.message, testing::HasSubstr("not quite"));
}

// A standby that does not exist never acknowledges: the commit hangs, and a cancel makes Postgres
// call it done, with a warning.
TEST_F(ConnectionTest, Commit_CancelledInItsWaitForAStandbyIsNotAcknowledged) {
  auto admin = Connect();
  const auto script = [&](const char* sql) {
    const auto done = admin->ExecuteScript(sql, In(seconds(10)));
    ASSERT_TRUE(done) << done.error().error.message;
  };
  script("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
  script("SELECT pg_reload_conf()");
  auto connection = Connect();
  const int64_t backend = connection->backend();
  constexpr Statement kShow{"show", "SELECT current_setting('synchronous_standby_names')"};
  for (std::string value; value != "nobody";) {
    value = connection->Execute({.steps = {{&kShow, {}}}, .changes = false}, In(seconds(10)))
                ->front()[0]
                .Text();
  }
  std::thread canceller([&] {
    constexpr Statement kCancel{"cancel",
                                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
                                " WHERE pid = $1 AND wait_event = 'SyncRep'"};
    auto other = Connect();
    for (bool cancelled = false; !cancelled;) {
      auto rows =
          other->Execute({.steps = {{&kCancel, {backend}}}, .changes = false}, In(seconds(10)));
      if (!rows) break;
      cancelled = !rows->front().empty();
    }
  });
  auto rows = connection->Execute({.steps = {{&kInsert, {1}}}}, In(seconds(20)));
  canceller.join();
  script("ALTER SYSTEM RESET synchronous_standby_names");
  script("SELECT pg_reload_conf()");
  ASSERT_FALSE(rows);
  EXPECT_TRUE(rows.error().error.Is(kOutcomeUnknown)) << rows.error().error.message;
}

TEST_F(ConnectionTest, Loss_BeforeTheCommitChangesNothing) {
  auto connection = Connect();
  auto rows = connection->Execute({.steps = {{&kInsert, {1}}, {&kEndMyself, {}}, {&kOne, {}}}},
                                  In(seconds(10)));
  ASSERT_FALSE(rows);
  EXPECT_TRUE(rows.error().error.Is(kDatabaseUnavailable)) << rows.error().error.message;
  EXPECT_TRUE(rows.error().lost);
  EXPECT_EQ(Count(), 0);
}

TEST_F(ConnectionTest, LooksAlive_NoticesThatTheServerHasGone) {
  auto connection = Connect();
  EXPECT_TRUE(connection->LooksAlive());
  const auto ended = Connect()->Execute(
      {.steps = {{&kBackend, {connection->backend()}}}, .changes = false}, In(seconds(10)));
  ASSERT_TRUE(ended);
  const Instant limit = In(seconds(10));
  while (connection->LooksAlive() && SystemClock().Now() < limit) {
  }
  EXPECT_FALSE(connection->LooksAlive());
}

TEST_F(ConnectionTest, Link_FindsItsWayAfterARestart) {
  Link link({conninfo(), "test", SettingsForRequests(seconds(20))}, seconds(20));
  ASSERT_TRUE(link.Execute({.steps = {{&kInsert, {1}}}}));
  ASSERT_TRUE(cluster().Restart(PrivateCluster::Shutdown::kFast));
  const auto rows = link.Execute({.steps = {{&kInsert, {2}}, {&kCount, {}}}});
  ASSERT_TRUE(rows) << rows.error().message;
  EXPECT_EQ((*rows)[1][0].Bigint(), 2);
}

TEST_F(ConnectionTest, Open_EndsAtTheDeadlineWhenNobodyAnswers) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(listen(listener, 1), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length), 0);
  const auto opened = Connection::Open(
      {"host=127.0.0.1 user=u dbname=d port=" + std::to_string(ntohs(address.sin_port)), "", {}},
      In(milliseconds(200)));
  ASSERT_FALSE(opened);
  EXPECT_TRUE(opened.error().error.Is(kDatabaseUnavailable));
  close(listener);
}

TEST_F(ConnectionTest, Open_NeverShowsThePassword) {
  std::string wrong = conninfo();
  wrong += " password=not-the-password";
  const auto opened = Connection::Open({wrong, "", {}}, In(seconds(10)));
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().error.message, testing::Not(testing::HasSubstr("not-the-password")));
}

}  // namespace
}  // namespace vigil::pg
