// Servers of one version and of the next on one database, and what is refused before it does harm.
#include <fmt/format.h>

#include <csignal>

#include "crowd.h"
#include "eventually.h"
#include "measured.h"
#include "scenario.h"
#include "store/postgres/schema.h"

namespace vigil {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

class UpgradeScenario : public Scenario {
 protected:
  struct Outcome {
    int exit = -1;
    std::string said;
  };

  // A command of this program on the cluster's database.
  Outcome Do(const std::string& program, std::vector<std::string> command) {
    command.insert(command.begin(), Built(program));
    auto process = Process::Spawn(
        {.command = command, .environment = {{"VIGIL_DATABASE", cluster().Conninfo()}}});
    if (!process) return {-1, process.error().message};
    const int exit = (*process)->AwaitEnd(seconds(60)).value_or(-1);
    return {exit, (*process)->Transcript()};
  }

  Outcome MigrateUp(const std::string& program) { return Do(program, {"migrate", "up"}); }

  static std::string Built(const std::string& program) {
    const auto found = FindBuilt(program);
    EXPECT_TRUE(found) << found.error().message;
    return found.value_or(program);
  }

  // Stops one coordinator after the other, and starts this program in its place.
  void Roll(const std::string& program) {
    cluster().Use(Built(program));
    for (int place = 0; place < cluster().size(); ++place) {
      cluster().coordinator(place).Signal(SIGTERM);
      EXPECT_EQ(cluster().coordinator(place).AwaitEnd(seconds(40)), 0);
      const auto again = cluster().StartAgain(place);
      ASSERT_TRUE(again) << again.error().message;
    }
  }

  void ExpectUntouched(const Crowd& crowd) {
    ExpectNone("SUSPENDED", crowd.suspended());
    ExpectNone("LOST", crowd.lost());
    ExpectNone("deaths", log().Count(Of(client::EventKind::kPodDied)));
    EXPECT_EQ(crowd.changed(), 0U);
  }

  // A claim of a new item, which is completed: by a server of any version.
  void WorkOnce(const client::PodSession& pod, const std::string& key) {
    const client::Work work(client(), "default");
    const auto owner = pod.standing().incarnation;
    const auto started = work.Start(owner, key);
    ASSERT_TRUE(started) << client::Describe(started.error());
    const auto completed = work.Complete(owner, key, started->item.fence);
    EXPECT_TRUE(completed) << client::Describe(completed.error());
  }

  static std::string Number(uint32_t version) { return fmt::format("{:04}", version); }
  const uint32_t level_ = PostgresSchema().Level();
};

// P9: N+1 serves N, so that both work at once, and a rollback goes back to N on the schema of N+1.
TEST_F(UpgradeScenario, Upgrade_AndRollbackOverLivingPodsNobodyNotices) {
  ASSERT_NO_FATAL_FAILURE(StartCluster());
  const auto all = client::Client::Create({.addresses = cluster().Addresses()});
  ASSERT_TRUE(all);
  Crowd crowd(*all, {.size = FullOr(100, 20)});
  ASSERT_EQ(crowd.AwaitRegistered(), "");

  const Outcome migrated = MigrateUp("vigild_next");
  EXPECT_EQ(migrated.exit, 0) << migrated.said;
  EXPECT_THAT(migrated.said, HasSubstr("applied " + Number(level_ + 1)));
  WorkOnce(crowd.pod(0), "old servers on the new schema");

  ASSERT_NO_FATAL_FAILURE(Roll("vigild_next"));
  WorkOnce(crowd.pod(1), "new servers");
  const Outcome told = Do("vigild", {"migrate", "status"});
  EXPECT_EQ(told.exit, 0) << told.said;
  EXPECT_THAT(told.said, HasSubstr("serves from " + Number(level_) + "  newer"));
  EXPECT_THAT(told.said, HasSubstr("knows " + Number(level_ + 1)));

  const Outcome back = MigrateUp("vigild");  // as an init container of the old version does
  EXPECT_EQ(back.exit, 0) << back.said;
  ASSERT_NO_FATAL_FAILURE(Roll("vigild"));
  WorkOnce(crowd.pod(2), "back again");
  ExpectUntouched(crowd);
}

TEST_F(UpgradeScenario, Contraction_IsRefusedWhileAServerRunsThatItDoesNotServe) {
  ASSERT_NO_FATAL_FAILURE(StartCluster({.coordinators = 2}));
  const auto all = client::Client::Create({.addresses = cluster().Addresses()});
  ASSERT_TRUE(all);
  Crowd crowd(*all, {.size = 10});
  ASSERT_EQ(crowd.AwaitRegistered(), "");

  const Outcome refused = MigrateUp("vigild_after");
  EXPECT_EQ(refused.exit, 1);
  EXPECT_THAT(refused.said, HasSubstr("older ones run: coordinator "));
  EXPECT_THAT(refused.said, HasSubstr("which knows " + Number(level_)));
  EXPECT_THAT(refused.said, HasSubstr("Upgrade them first"));
  EXPECT_THAT(Do("vigild", {"migrate", "status"}).said, Not(HasSubstr(Number(level_ + 1))))
      << "something was applied";

  // A server refuses a schema that is older than itself, and says what to do.
  const Outcome early = Do("vigild_next", {"serve", "--listen", "127.0.0.1:0", "--http-listen",
                                           "off", "--insecure", "true"});
  EXPECT_EQ(early.exit, 1);
  EXPECT_THAT(early.said, HasSubstr("lacks migration"));
  EXPECT_THAT(early.said, HasSubstr("vigild migrate up"));

  // One version at a time.
  ASSERT_EQ(MigrateUp("vigild_next").exit, 0);
  ASSERT_NO_FATAL_FAILURE(Roll("vigild_next"));
  const Outcome migrated = MigrateUp("vigild_after");
  EXPECT_EQ(migrated.exit, 0) << migrated.said;
  WorkOnce(crowd.pod(0), "on the schema after");
  const Outcome too_old = Do(
      "vigild", {"serve", "--listen", "127.0.0.1:0", "--http-listen", "off", "--insecure", "true"});
  EXPECT_EQ(too_old.exit, 1);
  EXPECT_THAT(too_old.said, HasSubstr("does not know: it serves programs that know migration " +
                                      std::to_string(level_ + 1)));
  EXPECT_THAT(too_old.said, HasSubstr("Upgrade this program"));
  EXPECT_EQ(MigrateUp("vigild").exit, 1);
  ASSERT_NO_FATAL_FAILURE(Roll("vigild_after"));
  ExpectUntouched(crowd);
}

// Whoever migrates past a server by other means does not go unnoticed, and kills nobody by it.
TEST_F(UpgradeScenario, RunningServer_SaysThatTheSchemaHasLeftItBehind) {
  ASSERT_NO_FATAL_FAILURE(StartCluster({.coordinators = 1}));
  Crowd crowd(client(), {.size = 3});
  ASSERT_EQ(crowd.AwaitRegistered(), "");
  const auto ready = [&] {
    return Do("vigild", {"healthcheck", "--http", cluster().http_address(0), "--ready"});
  };
  EXPECT_EQ(ready().exit, 0);
  const std::string version = std::to_string(level_ + 1);
  ASSERT_TRUE(Database().Execute(
      "INSERT INTO vigil.schema_migrations (version, name, checksum, serves) VALUES (" + version +
      ", 'by_hand', '', " + version + ")"));
  EXPECT_TRUE(Eventually(seconds(40), [&] { return ready().exit != 0; }));
  EXPECT_THAT(ready().said, HasSubstr("by_hand"));
  WorkOnce(crowd.pod(0), "meanwhile");
  ASSERT_TRUE(Database().Execute("DELETE FROM vigil.schema_migrations WHERE name = 'by_hand'"));
  EXPECT_TRUE(Eventually(seconds(40), [&] { return ready().exit == 0; }));
  ExpectUntouched(crowd);
}

}  // namespace
}  // namespace vigil
