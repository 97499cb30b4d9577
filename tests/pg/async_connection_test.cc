// A connection on the loop answers everybody once, and never blocks the loop.
#include "pg/async_connection.h"

#include <gmock/gmock.h>
#include <signal.h>

#include <optional>

#include "cluster_test.h"
#include "pg/sqlstate.h"

namespace vigil::pg {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Statement kOne{"one", "SELECT 1::bigint"};
constexpr Statement kNumber{"number", "SELECT $1::bigint"};
constexpr Statement kImpatient{"impatient",
                               "SELECT set_config('statement_timeout', '20ms', false)"};
constexpr Statement kPause{"pause", "SELECT pg_sleep(30)::text"};
constexpr Statement kListen{"listen", "LISTEN bell"};
constexpr Statement kNotify{"notify", "SELECT pg_notify('bell', $1)"};
constexpr Statement kEndMyself{"end_myself", "SELECT pg_terminate_backend(pg_backend_pid())"};

class AsyncConnectionTest : public ClusterTest {
 protected:
  // Turns the loop until it is told to stop, for at most 20 seconds.
  void Turn() {
    auto limit = loop_.After(seconds(20), [this] {
      ADD_FAILURE() << "nothing happened";
      loop_.Stop();
    });
    loop_.Run();
    loop_.context().restart();
  }

  std::unique_ptr<AsyncConnection> Opened(
      Duration deadline = seconds(10),
      std::vector<std::pair<std::string, std::string>> settings = {}) {
    auto connection = std::make_unique<AsyncConnection>(
        loop_, ConnectOptions{conninfo(), "test", std::move(settings)}, deadline);
    connection->Open([this](Result<void> opened) {
      EXPECT_TRUE(opened) << opened.error().message;
      loop_.Stop();
    });
    Turn();
    return connection;
  }

  // Sends the statements at once, and waits for all answers: "answered", or why not.
  std::vector<std::string> AnswersOf(AsyncConnection& connection,
                                     const std::vector<const Statement*>& statements) {
    std::vector<std::string> answers;
    for (const Statement* statement : statements) {
      connection.Execute(*statement, {}, [&](Result<Rows> rows) {
        answers.emplace_back(rows ? "answered" : rows.error().reason);
        if (answers.size() == statements.size()) loop_.Stop();
      });
    }
    Turn();
    return answers;
  }

  EventLoop loop_;
};

TEST_F(AsyncConnectionTest, Statements_AreAnsweredInOrder) {
  auto connection = Opened();
  std::vector<int64_t> answers;
  for (int64_t i = 1; i <= 5; ++i) {
    connection->Execute(kNumber, {i}, [&](Result<Rows> rows) {
      ASSERT_TRUE(rows) << rows.error().message;
      answers.push_back((*rows)[0].Bigint());
      if (answers.size() == 5) loop_.Stop();
    });
  }
  EXPECT_TRUE(answers.empty());
  Turn();
  EXPECT_THAT(answers, testing::ElementsAre(1, 2, 3, 4, 5));
}

TEST_F(AsyncConnectionTest, Error_OfAStatementIsItsOwn) {
  auto connection = Opened();
  connection->Execute(kImpatient, {}, [](Result<Rows>) {});
  EXPECT_THAT(AnswersOf(*connection, {&kPause, &kOne}),
              testing::ElementsAre(kDatabaseUnavailable, "answered"));
}

// A number that was issued in a commit that the standby never had may be issued again.
TEST_F(AsyncConnectionTest, Answer_WithAWarningIsNotOne) {
  const auto made = Connect()->ExecuteScript(
      "CREATE FUNCTION warn() RETURNS bigint LANGUAGE plpgsql AS"
      "  $$BEGIN RAISE WARNING 'not quite'; RETURN 1; END$$",
      In(seconds(10)));
  ASSERT_TRUE(made) << made.error().error.message;
  constexpr Statement kWarn{"warn", "SELECT warn()"};
  auto connection = Opened();
  EXPECT_THAT(AnswersOf(*connection, {&kWarn, &kOne}),
              testing::ElementsAre(kOutcomeUnknown, "answered"));
}

TEST_F(AsyncConnectionTest, Loss_IsToldAfterAllThatWaited) {
  auto connection = Opened();
  std::vector<std::string> told;
  connection->OnLost([&](const Error&) {
    told.emplace_back("lost");
    connection->Execute(kOne, {}, [&](Result<Rows> rows) {
      told.emplace_back(rows ? "?" : rows.error().reason);
      loop_.Stop();
    });
  });
  connection->Execute(kEndMyself, {}, [&](Result<Rows> rows) {
    told.emplace_back(rows ? "?" : rows.error().reason);
  });
  connection->Execute(
      kOne, {}, [&](Result<Rows> rows) { told.emplace_back(rows ? "?" : rows.error().reason); });
  Turn();
  EXPECT_THAT(told, testing::ElementsAre(kDatabaseUnavailable, kDatabaseUnavailable, "lost",
                                         kDatabaseUnavailable));
}

TEST_F(AsyncConnectionTest, Loss_OfAnIdleSessionIsNoticed) {
  auto connection = Opened();
  connection->OnLost([&](const Error&) { loop_.Stop(); });
  constexpr Statement kEnd{"end", "SELECT pg_terminate_backend($1::integer)"};
  const int64_t backend = connection->backend();
  ASSERT_TRUE(
      Connect()->Execute({.steps = {{&kEnd, {backend}}}, .changes = false}, In(seconds(10))));
  Turn();
}

TEST_F(AsyncConnectionTest, Deadline_LosesTheConnection) {
  auto connection = Opened(milliseconds(300));
  std::vector<std::string> told;
  connection->OnLost([&](const Error&) { loop_.Stop(); });
  connection->Execute(
      kPause, {}, [&](Result<Rows> rows) { told.emplace_back(rows ? "?" : rows.error().reason); });
  Turn();
  EXPECT_THAT(told, testing::ElementsAre(kDatabaseUnavailable));
}

TEST_F(AsyncConnectionTest, Ping_IsAnsweredInItsTurn) {
  auto connection = Opened();
  std::vector<std::string> told;
  const auto tell = [&told](const char* which) {
    return [&told, which](const auto& answered) {
      told.push_back(std::string(which) + (answered ? " answered" : " failed"));
    };
  };
  connection->Execute(kImpatient, {}, tell("setting"));
  connection->Ping(tell("first"));
  connection->Execute(kPause, {}, tell("pause"));
  connection->Ping(tell("second"));
  connection->Execute(kOne, {}, tell("one"));
  connection->Ping([&](const Result<void>& answered) {
    EXPECT_TRUE(answered);
    loop_.Stop();
  });
  EXPECT_TRUE(told.empty());
  Turn();
  EXPECT_THAT(told, testing::ElementsAre("setting answered", "first answered", "pause failed",
                                         "second answered", "one answered"));
}

// P1: what holds the session's locks is this process of the server and no other.
TEST_F(AsyncConnectionTest, Ping_IsAnsweredByTheBackendItself) {
  auto connection = Opened(seconds(2));
  std::vector<std::string> told;
  connection->OnLost([&](const Error&) { loop_.Stop(); });
  ASSERT_EQ(kill(connection->backend(), SIGSTOP), 0);
  connection->Ping([&](const Result<void>& answered) {
    told.emplace_back(answered ? "answered" : answered.error().reason);
  });
  Turn();
  EXPECT_EQ(kill(connection->backend(), SIGCONT), 0);
  EXPECT_THAT(told, testing::ElementsAre(kDatabaseUnavailable));
}

TEST_F(AsyncConnectionTest, Ping_BeginsTheIdleTimeAnew) {
  auto connection = Opened(seconds(10), {{"idle_session_timeout", "1500ms"}});
  const Instant begun = SystemClock().Now();
  Instant pinged = begun;
  bool lost = false;
  connection->OnLost([&](const Error&) {
    lost = true;
    loop_.Stop();
  });
  std::unique_ptr<Timer> timer;
  std::function<void()> ping = [&] {
    connection->Ping([&](const Result<void>& answered) {
      ASSERT_TRUE(answered) << answered.error().message;
      pinged = SystemClock().Now();
      if (pinged - begun < milliseconds(2500)) timer = loop_.After(milliseconds(100), ping);
    });
  };
  ping();
  Turn();
  EXPECT_TRUE(lost);
  EXPECT_GE(pinged - begun, milliseconds(2500));
}

TEST_F(AsyncConnectionTest, Notifications_AreHeard) {
  auto connection = Opened();
  std::string heard;
  connection->OnNotification([&](const std::string& payload) {
    heard += payload;
    if (heard.size() == 2) loop_.Stop();
  });
  connection->Execute(kListen, {}, [&](Result<Rows> rows) {
    ASSERT_TRUE(rows) << rows.error().message;
    EXPECT_TRUE(Connect()->Execute(
        {.steps = {{&kNotify, {"a"}}, {&kNotify, {"b"}}}, .changes = false}, In(seconds(10))));
  });
  Turn();
  EXPECT_EQ(heard, "ab");
}

TEST_F(AsyncConnectionTest, Batch_WakesAfterItsCommit) {
  auto connection = Opened();
  connection->OnNotification([&](const std::string&) { loop_.Stop(); });
  auto other = Connect();
  connection->Execute(kListen, {}, [&](Result<Rows>) {
    EXPECT_TRUE(other->Execute({.steps = {{&kOne, {}}}, .afterwards = Step{&kNotify, {"a"}}},
                               In(seconds(10))));
  });
  Turn();
}

TEST_F(AsyncConnectionTest, Destruction_EndsTheCalls) {
  auto connection = Opened();
  connection->OnLost([](const Error&) { ADD_FAILURE(); });
  connection->Execute(kOne, {}, [](Result<Rows>) { ADD_FAILURE(); });
  connection.reset();
  auto later = loop_.After(milliseconds(100), [&] { loop_.Stop(); });
  Turn();
}

TEST_F(AsyncConnectionTest, Open_SaysWhyItFailed) {
  AsyncConnection connection(loop_, {"host=127.0.0.1 port=1 user=u dbname=d", "", {}}, seconds(5));
  connection.Open([&](Result<void> opened) {
    EXPECT_TRUE(!opened && opened.error().Is(kDatabaseUnavailable));
    loop_.Stop();
  });
  Turn();
}

}  // namespace
}  // namespace vigil::pg
