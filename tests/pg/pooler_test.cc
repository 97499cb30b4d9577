// A pooler is found out, by its symptoms, before anything rests on a session behind it.
#include "pg/pooler.h"

#include <gmock/gmock.h>

#include "cluster_test.h"
#include "pg/sqlstate.h"
#include "support/pgbouncer.h"

namespace vigil::pg {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

class PoolerTest : public ClusterTest {
 protected:
  // In front of this test's database.
  std::unique_ptr<PgBouncer> Bouncer(const std::string& mode, int pool_size = 5) const {
    auto started = PgBouncer::Start(conninfo(), database(), mode, pool_size);
    if (started) return std::move(*started);
    ADD_FAILURE() << started.error().message;
    std::abort();
  }

  static ConnectOptions Options(const std::string& conninfo) {
    return {conninfo, "test", SettingsForRequests(seconds(10))};
  }

  // No waiting mends it, and the error says what was seen and what to do.
  static void ExpectRefused(const PgBouncer& bouncer, const std::string& symptom) {
    const auto refused = RefusePooler(Options(bouncer.Conninfo()), seconds(10));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::kFailedPrecondition);
    EXPECT_TRUE(refused.error().Is(kDatabaseUnavailable));
    EXPECT_THAT(refused.error().message, HasSubstr("pooler"));
    EXPECT_THAT(refused.error().message, HasSubstr(symptom));
    EXPECT_THAT(refused.error().hint, HasSubstr("the address of Postgres itself"));
  }
};

TEST_F(PoolerTest, None_IsFound) {
  for (const std::string& conninfo : {conninfo(), cluster().SocketConninfo()}) {
    const auto tested = RefusePooler(Options(conninfo), seconds(10));
    EXPECT_TRUE(tested) << tested.error().message;
  }
}

TEST_F(PoolerTest, Transactions_RunInSeveralSessions) {
  const auto bouncer = Bouncer("transaction");
  // Again and again: what an earlier test left behind in the pool must not hide it.
  for (int i = 0; i < 3; ++i) ExpectRefused(*bouncer, "transaction pooling");
}

TEST_F(PoolerTest, Transactions_ShareOneSession) {
  const auto bouncer = Bouncer("transaction", /*pool_size=*/1);
  ExpectRefused(*bouncer, "two connections share one session");
}

TEST_F(PoolerTest, Sessions_AreNotTheirOwn) {
  const auto bouncer = Bouncer("session");
  ExpectRefused(*bouncer, "session pooling");
}

TEST_F(PoolerTest, Statements_AreRefusedInTheirMode) {
  const auto bouncer = Bouncer("statement");
  ExpectRefused(*bouncer, "pooling");
}

// Behind the self-test at the start, every connection looks for itself: a name may lead to a pooler
// later.
TEST_F(PoolerTest, EveryConnection_RefusesOne) {
  for (const char* mode : {"transaction", "session"}) {
    const auto bouncer = Bouncer(mode);
    for (int i = 0; i < 3; ++i) {
      const auto opened = Connection::Open(Options(bouncer->Conninfo()), In(seconds(10)));
      ASSERT_FALSE(opened);
      EXPECT_THAT(opened.error().error.message, HasSubstr("a pooler stands between")) << mode;
    }
  }
}

}  // namespace
}  // namespace vigil::pg
