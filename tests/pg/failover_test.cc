// A connection is to the primary of one database, and never to one that was replaced.
#include <gmock/gmock.h>

#include <optional>

#include "cluster_test.h"
#include "pg/async_connection.h"
#include "pg/link.h"
#include "pg/sqlstate.h"

namespace vigil::pg {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

constexpr Statement kWrite{"write", "SELECT txid_current()"};
constexpr Statement kPort{"port", "SELECT current_setting('port')"};

class FailoverTest : public testing::Test {
 protected:
  void SetUp() override {
    auto primary = PrivateCluster::Start({.fsync = false});
    ASSERT_TRUE(primary) << primary.error().message;
    primary_ = std::move(*primary);
    auto standby = PrivateCluster::Start({.fsync = false, .standby_of = primary_.get()});
    ASSERT_TRUE(standby) << standby.error().message;
    standby_ = std::move(*standby);
  }

  ConnectOptions To(const PrivateCluster& cluster) const {
    return {cluster.Conninfo() + " target_session_attrs=any", "test",
            SettingsForRequests(seconds(10)), known_};
  }

  // The primary first.
  ConnectOptions ToBoth() const {
    ConnectOptions options = To(*primary_);
    options.conninfo += " target_session_attrs=read-write host=127.0.0.1,127.0.0.1 port=" +
                        std::to_string(primary_->port()) + "," + std::to_string(standby_->port());
    return options;
  }

  static Attempt<std::unique_ptr<Connection>> Open(const ConnectOptions& options) {
    return Connection::Open(options, SystemClock().Now() + seconds(10));
  }

  // The port of whoever takes a write.
  static Result<std::string> PortWrittenTo(Link& link) {
    const auto rows = link.Execute({.steps = {{&kWrite, {}}, {&kPort, {}}}});
    if (!rows) return Fail(rows.error());
    return (*rows)[1][0].Text();
  }

  void ExpectAtTheStandby(Link& link) const {
    const auto port = PortWrittenTo(link);
    ASSERT_TRUE(port) << port.error().message;
    EXPECT_EQ(*port, std::to_string(standby_->port()));
  }

  // What a connection on the loop says when it is opened.
  Result<void> OpenOnLoop(AsyncConnection& connection) {
    std::optional<Result<void>> answer;
    connection.Open([&](Result<void> opened) { answer.emplace(std::move(opened)); });
    TurnUntil([&] { return answer.has_value(); });
    return *answer;
  }

  void TurnUntil(const std::function<bool()>& done) {
    const Instant limit = SystemClock().Now() + seconds(20);
    while (!done() && SystemClock().Now() < limit) {
      loop_.context().run_one_for(seconds(1));
      loop_.context().restart();
    }
    ASSERT_TRUE(done());
  }

  std::unique_ptr<PrivateCluster> primary_;
  std::unique_ptr<PrivateCluster> standby_;
  std::shared_ptr<KnownServer> known_ = std::make_shared<KnownServer>();
  EventLoop loop_;
};

TEST_F(FailoverTest, Recovery_IsRefused) {
  const auto opened = Open(To(*standby_));
  ASSERT_FALSE(opened);
  EXPECT_TRUE(opened.error().error.Is(kDatabaseUnavailable));
  EXPECT_THAT(opened.error().error.message, HasSubstr("recovery"));
  EXPECT_THAT(opened.error().error.hint, HasSubstr("target_session_attrs"));

  AsyncConnection connection(loop_, To(*standby_), seconds(10));
  const auto on_loop = OpenOnLoop(connection);
  ASSERT_FALSE(on_loop);
  EXPECT_EQ(on_loop.error().message, opened.error().error.message);

  // The refused one comes last, so the next attempt ends at the other one.
  ConnectOptions both = ToBoth();
  both.conninfo += " target_session_attrs=any port=" + std::to_string(standby_->port()) + "," +
                   std::to_string(primary_->port());
  const auto next = Open(both);
  ASSERT_TRUE(next) << next.error().error.message;
  EXPECT_EQ((*next)->facts().server.timeline, 1U);
}

TEST_F(FailoverTest, Promotion_SeveralHostsLeadToTheNewPrimary) {
  Link link(ToBoth(), seconds(20));
  ASSERT_TRUE(link.Execute({.steps = {{&kWrite, {}}}}));
  ASSERT_TRUE(primary_->Stop(PrivateCluster::Shutdown::kImmediate));
  const auto promoted = standby_->Promote();
  ASSERT_TRUE(promoted) << promoted.error().message;
  ExpectAtTheStandby(link);
}

// P7: what an old primary acknowledges, or holds, is lost.
TEST_F(FailoverTest, OldPrimary_IsRefusedByEveryConnection) {
  Link link(ToBoth(), seconds(20));
  ASSERT_TRUE(link.Execute({.steps = {{&kWrite, {}}}}));
  auto open = Open(To(*primary_));
  ASSERT_TRUE(open) << open.error().error.message;
  AsyncConnection on_loop(loop_, To(*primary_), seconds(10));
  ASSERT_TRUE(OpenOnLoop(on_loop));
  const auto ask = [&] {
    std::optional<Result<Rows>> answer;
    on_loop.Execute(kWrite, {}, [&](Result<Rows> rows) { answer.emplace(std::move(rows)); });
    TurnUntil([&] { return answer.has_value(); });
    return answer->has_value();
  };
  EXPECT_TRUE(ask());

  // Both are primaries now; the first connection to the new one tells all the others.
  const auto promoted = standby_->Promote();
  ASSERT_TRUE(promoted) << promoted.error().message;
  EXPECT_TRUE((*open)->LooksAlive());
  const auto fresh = Open(To(*standby_));
  ASSERT_TRUE(fresh) << fresh.error().error.message;
  EXPECT_EQ((*fresh)->facts().server.timeline, 2U);

  EXPECT_FALSE((*open)->LooksAlive());
  const auto late = (*open)->Execute({.steps = {{&kWrite, {}}}}, SystemClock().Now() + seconds(10));
  ASSERT_FALSE(late);
  EXPECT_TRUE(late.error().error.Is(kOutcomeUnknown)) << late.error().error.message;
  bool told_lost = false;
  on_loop.OnLost([&](const Error&) { told_lost = true; });
  EXPECT_FALSE(ask()) << "its answer proves nothing";
  TurnUntil([&] { return told_lost; });

  const auto refused = Open(To(*primary_));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().error.Is(kDatabaseUnavailable));
  EXPECT_THAT(refused.error().error.message, HasSubstr("timeline 1"));
  EXPECT_THAT(refused.error().error.message, HasSubstr("timeline 2"));
  EXPECT_THAT(refused.error().error.hint, HasSubstr("connection string"));
  AsyncConnection again(loop_, To(*primary_), seconds(10));
  const auto refused_on_loop = OpenOnLoop(again);
  ASSERT_FALSE(refused_on_loop);
  EXPECT_EQ(refused_on_loop.error().message, refused.error().error.message);

  // The old one is named first and takes writes, and yet the link finds the new one.
  ExpectAtTheStandby(link);
}

// Its commits wait for a standby that has left it; that it does not answer is reason enough to look
// at the other hosts first.
TEST_F(FailoverTest, OldPrimary_ThatDoesNotAnswerIsLeft) {
  Link link(ToBoth(), seconds(1));
  ASSERT_TRUE(link.Execute({.steps = {{&kWrite, {}}}}));
  const auto admin = Open(To(*primary_));
  ASSERT_TRUE(admin);
  for (const char* sql :
       {"ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()"}) {
    ASSERT_TRUE((*admin)->ExecuteScript(sql, SystemClock().Now() + seconds(10)));
  }
  ASSERT_TRUE(standby_->Promote());
  const Instant limit = SystemClock().Now() + seconds(20);
  std::string port;
  while (port != std::to_string(standby_->port()) && SystemClock().Now() < limit) {
    port = PortWrittenTo(link).value_or(port);
  }
  EXPECT_EQ(port, std::to_string(standby_->port()));
}

class AnotherDatabaseTest : public ClusterTest {};

TEST_F(AnotherDatabaseTest, Is_Refused) {
  const auto known = std::make_shared<KnownServer>();
  ASSERT_TRUE(known->Admit({.system = "1", .timeline = 1}));
  const auto opened = Connection::Open({conninfo(), "test", {}, known}, In(seconds(10)));
  ASSERT_FALSE(opened);
  EXPECT_TRUE(opened.error().error.Is(kDatabaseUnavailable));
  EXPECT_THAT(opened.error().error.message, HasSubstr("another database"));
  EXPECT_THAT(opened.error().error.hint, HasSubstr("restart this process"));
}

TEST(KnownServer, RefusedAddressesComeLast) {
  KnownServer known;
  const auto order = [&](const std::string& conninfo) {
    auto hosts = HostListOf(conninfo).value_or(HostList());
    known.Reorder(hosts);
    std::string text;
    for (const auto& [keyword, value] : KeywordsOf(hosts)) text += keyword + "=" + value + " ";
    return text;
  };
  EXPECT_EQ(order("host=a,b"), "host=a,b ");
  known.Note(ServerAddress{"a", "", "5432"}, false);
  EXPECT_EQ(order("host=a"), "host=a ") << "there is no other one";
  EXPECT_EQ(order("host=a,b"), "host=b,a ");
  EXPECT_EQ(order("postgresql://u@a:5432,b:7,c:8/d"), "host=b,c,a port=7,8,5432 ");
  EXPECT_EQ(order("host=a,b hostaddr=1.1.1.1,2.2.2.2 port=1"),
            "host=a,b hostaddr=1.1.1.1,2.2.2.2 port=1,1 ")
      << "another port is another server";
  // When none was good, each is the first in its turn.
  known.Note(ServerAddress{"b", "", "5432"}, false);
  EXPECT_EQ(order("host=a,b"), "host=a,b ");
  known.Note(ServerAddress{"a", "", "5432"}, false);
  EXPECT_EQ(order("host=a,b"), "host=b,a ");
  known.Note(ServerAddress{"b", "", "5432"}, true);
  known.Note(ServerAddress{"a", "", "5432"}, true);
  EXPECT_EQ(order("host=a,b"), "host=a,b ");

  // One name of two servers.
  const std::string both = "host=db,db hostaddr=1.1.1.1,::2 ";
  known.Note(ServerAddress{"db", "1.1.1.1", "5432"}, false);
  EXPECT_EQ(order(both), "host=db,db hostaddr=::2,1.1.1.1 ");
  known.Note(ServerAddress{"db", "::2", "5432"}, false);
  EXPECT_EQ(order(both), both);
  known.Note(ServerAddress{"1.1.1.1", "1.1.1.1", "5432"}, false);
  EXPECT_EQ(order("host=1.1.1.1,2.2.2.2"), "host=2.2.2.2,1.1.1.1 ");
  EXPECT_EQ(order("hostaddr=1.1.1.1,2.2.2.2"), "hostaddr=2.2.2.2,1.1.1.1 ");
}

}  // namespace
}  // namespace vigil::pg
