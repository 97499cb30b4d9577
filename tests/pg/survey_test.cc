// What is set on both ends of a session is read back, and what follows from it is said.
#include "pg/survey.h"

#include <gmock/gmock.h>

#include "cluster_test.h"
#include "pg/sqlstate.h"

namespace vigil::pg {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;

class SurveyTest : public ClusterTest {
 protected:
  static ConnectOptions Options(const std::string& conninfo) {
    return {conninfo, "test", {{"idle_session_timeout", "3000ms"}}};
  }
  static ServerSurvey Of(const ConnectOptions& options) {
    auto survey = Survey(options, seconds(10));
    if (survey) return *survey;
    ADD_FAILURE() << survey.error().message;
    return {};
  }
};

TEST_F(SurveyTest, Detection_IsReadBackOnBothEnds) {
  const Detection detection = Of(Options(conninfo())).detection;
  EXPECT_TRUE(detection.tcp);
  EXPECT_THAT(detection.ignored, IsEmpty());
  for (const Watching& end : {detection.server, detection.client}) {
    EXPECT_EQ(end.keepalive, seconds(3));
    EXPECT_EQ(end.user_timeout, milliseconds(2500));
  }
  EXPECT_EQ(detection.check_interval, milliseconds(500));
  EXPECT_EQ(detection.idle_session_timeout, seconds(3));
  EXPECT_EQ(detection.EndsFrozen(), seconds(3));
  EXPECT_EQ(detection.EndsCut(), seconds(3));
  EXPECT_EQ(detection.NoticedWithin(seconds(5)), seconds(3));
}

// The kernel has no such timers for a Unix socket, and Postgres says so instead of failing.
TEST_F(SurveyTest, Detection_SaysWhatIsIgnored) {
  const Detection detection = Of(Options(cluster().SocketConninfo())).detection;
  EXPECT_FALSE(detection.tcp);
  EXPECT_THAT(detection.ignored,
              testing::UnorderedElementsAre("tcp_keepalives_idle=0", "tcp_keepalives_interval=0",
                                            "tcp_keepalives_count=0", "tcp_user_timeout=0"));
  EXPECT_EQ(detection.EndsFrozen(), seconds(3));
  EXPECT_EQ(detection.EndsCut(), seconds(3));
  EXPECT_EQ(detection.NoticedWithin(seconds(5)), seconds(5));
}

TEST_F(SurveyTest, Detection_CountsOnlyWhatIsInForce) {
  ConnectOptions options = Options(conninfo() + " keepalives=0 tcp_user_timeout=0");
  options.settings = {{"idle_session_timeout", "0"}, {"tcp_user_timeout", "1s"}};
  const Detection detection = Of(options).detection;
  EXPECT_EQ(detection.EndsFrozen(), std::nullopt) << "TCP sees nothing of a frozen process";
  EXPECT_EQ(detection.EndsCut(), seconds(3));
  EXPECT_EQ(detection.client.keepalive, seconds(0));
  EXPECT_EQ(detection.NoticedWithin(seconds(5)), seconds(5));

  options.settings.back() = {"tcp_user_timeout", "0"};
  EXPECT_EQ(Of(options).detection.EndsCut(), std::nullopt) << "keepalives alone miss a case";
}

TEST_F(SurveyTest, Capacity_IsThatOfTheServerAndTheRole) {
  const Capacity all = Of(Options(conninfo())).capacity;
  EXPECT_EQ(all.max_connections, 200);
  EXPECT_EQ(all.Connections(), 200) << "nothing is reserved from a superuser";
  EXPECT_EQ(all.LockTable(), 64 * 200);

  const auto made = Connect()->ExecuteScript(
      "CREATE ROLE plain LOGIN PASSWORD 'plain'; CREATE ROLE few LOGIN PASSWORD 'few' CONNECTION "
      "LIMIT 5",
      In(seconds(10)));
  ASSERT_TRUE(made) << made.error().error.message;
  EXPECT_EQ(Of(Options(conninfo() + " user=plain password=plain")).capacity.Connections(), 197);
  EXPECT_EQ(Of(Options(conninfo() + " user=few password=few")).capacity.Connections(), 5);
}

TEST(TinyServer, Full_IsSaidWithWhatToDo) {
  auto cluster = PrivateCluster::Start(
      {.fsync = false,
       .settings = {{"max_connections", "8"}, {"max_locks_per_transaction", "10"}}});
  ASSERT_TRUE(cluster) << cluster.error().message;
  const ConnectOptions options{(*cluster)->Conninfo(), "test", {}};
  const auto survey = Survey(options, seconds(10));
  ASSERT_TRUE(survey) << survey.error().message;
  EXPECT_EQ(survey->capacity.LockTable(), 80);

  std::vector<std::unique_ptr<Connection>> taken;
  Error refusal;
  const SystemClock clock;
  while (refusal.message.empty() && taken.size() < 20) {
    auto opened = Connection::Open(options, clock.Now() + seconds(10));
    if (opened) {
      taken.push_back(std::move(*opened));
    } else {
      refusal = opened.error().error;
    }
  }
  EXPECT_LE(taken.size(), 8U);
  EXPECT_TRUE(refusal.Is(kDatabaseUnavailable));
  EXPECT_THAT(refusal.message, HasSubstr("53300: sorry, too many clients already"));
  EXPECT_THAT(refusal.message, testing::Not(HasSubstr(".c:")));
  EXPECT_THAT(refusal.hint, HasSubstr("max_connections"));
}

}  // namespace
}  // namespace vigil::pg
