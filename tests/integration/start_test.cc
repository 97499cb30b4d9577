// What `vigild serve` says of its database when it starts, and which one it refuses.
#include <gmock/gmock.h>

#include "app/examination.h"
#include "app/server.h"
#include "support/pgbouncer.h"
#include "support/process.h"
#include "support/store_test_database.h"

namespace vigil {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

std::unique_ptr<Process> Serve(const std::string& conninfo) {
  auto program = FindBuilt("vigild");
  EXPECT_TRUE(program) << program.error().message;
  auto server = Process::Spawn({.command = {*program, "serve", "--insecure", "true", "--listen",
                                            "127.0.0.1:0", "--http-listen", "127.0.0.1:0"},
                                .environment = {{"VIGIL_DATABASE", conninfo}}});
  EXPECT_TRUE(server) << server.error().message;
  return std::move(*server);
}

std::string AwaitLineWith(Process& server, const std::string& text) {
  const auto line = server.AwaitLine(
      [&](const Process::Line& read) { return read.text.find(text) != std::string::npos; },
      seconds(20));
  EXPECT_TRUE(line) << text << " is missing in:\n" << server.Transcript();
  return line ? line->text : "";
}

TEST(Start, SaysWhatTheDatabaseHoldsAndHowSoonALossIsNoticed) {
  TestDatabase database;
  const auto server = Serve(database.conninfo());
  const std::string capacity = AwaitLineWith(*server, "What the database holds.");
  EXPECT_THAT(capacity, HasSubstr("lock_table=12800"));
  EXPECT_THAT(capacity, HasSubstr("connections=200 connections_needed=27"));
  const std::string detection = AwaitLineWith(*server, "How soon a loss is noticed.");
  EXPECT_THAT(detection, HasSubstr("locks_free_after_a_freeze=3s locks_free_after_a_cut=3s"));
  EXPECT_THAT(detection, HasSubstr("server_user_timeout=2.5s"));
  AwaitLineWith(*server, "Joined the cluster.");
}

TEST(Start, APoolerIsRefused) {
  TestDatabase database;
  for (const char* mode : {"transaction", "session"}) {
    const auto bouncer = PgBouncer::Start(database.conninfo(), database.name(), mode);
    ASSERT_TRUE(bouncer) << bouncer.error().message;
    const auto server = Serve((*bouncer)->Conninfo());
    EXPECT_EQ(server->AwaitEnd(seconds(20)), 1) << server->Transcript();
    EXPECT_THAT(server->Transcript(), HasSubstr(" pooling)"))
        << mode;  // which of the two is a guess
    EXPECT_THAT(server->Transcript(), HasSubstr("the address of Postgres itself"));
  }
}

TEST(Start, ADatabaseThatCannotHoldItIsRefused) {
  auto cluster =
      pg::PrivateCluster::Start({.fsync = false, .settings = {{"max_connections", "20"}}});
  ASSERT_TRUE(cluster) << cluster.error().message;
  const auto server = Serve((*cluster)->Conninfo());
  EXPECT_EQ(server->AwaitEnd(seconds(20)), 1) << server->Transcript();
  EXPECT_THAT(server->Transcript(),
              HasSubstr("one coordinator needs 27 connections, and the database offers 20"));
  EXPECT_THAT(server->Transcript(), HasSubstr("--liveness-sessions"));
}

TEST(Start, ConnectionsOfTheDefaultsAreThoseOfTheReadme) {
  EXPECT_EQ(ConnectionsOf(Config()), 27);
  Config config;
  config.coordinator.liveness_sessions = 100;
  const auto refused = CheckCapacity(
      config, {.max_connections = 100, .reserved_connections = 3, .connection_limit = 50});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(refused.error().message, HasSubstr("offers 50"));
  EXPECT_THAT(refused.error().message, HasSubstr("less 3 reserved"));
}

}  // namespace
}  // namespace vigil
