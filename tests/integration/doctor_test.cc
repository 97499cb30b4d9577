// `vigild doctor`: each fault is made for real, is found, and comes with what to do.
#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/free_port.h"
#include "integration/secure_server.h"
#include "integration/test_server.h"
#include "pg/connection.h"
#include "pg/migrator.h"
#include "store/postgres/schema.h"
#include "support/pgbouncer.h"
#include "support/process.h"

namespace vigil {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using Environment = std::map<std::string, std::string>;
using Words = std::vector<std::string>;

constexpr auto kPatience = seconds(60);

// Ports that were free a moment ago, so that no test asks another's server.
Words OwnPorts() {
  return {"--listen", "127.0.0.1:" + std::to_string(FreePort()), "--http-listen",
          "127.0.0.1:" + std::to_string(FreePort())};
}

struct Diagnosis {
  int exit_code = -1;
  std::string said;
  // As "connection: message -> hint", by grade.
  std::map<std::string, std::vector<std::string>> findings;

  std::vector<std::string> errors() const { return Of("error"); }
  std::vector<std::string> warnings() const { return Of("warning"); }
  std::vector<std::string> fine() const { return Of("ok"); }

 private:
  std::vector<std::string> Of(const std::string& grade) const {
    const auto found = findings.find(grade);
    return found == findings.end() ? std::vector<std::string>() : found->second;
  }
};

Diagnosis RunDoctor(const Words& settings, Environment environment) {
  const auto vigild = FindBuilt("vigild");
  EXPECT_TRUE(vigild) << vigild.error().message;
  Words words = {*vigild, "doctor"};
  words.insert(words.end(), settings.begin(), settings.end());
  const auto process =
      Process::Spawn({.command = std::move(words), .environment = std::move(environment)});
  EXPECT_TRUE(process) << process.error().message;
  Diagnosis diagnosis;
  diagnosis.exit_code = (*process)->AwaitEnd(kPatience).value_or(-1);
  diagnosis.said = (*process)->Transcript();
  return diagnosis;
}

// Says the same as JSON as it exits with, and leaves nobody without advice.
Diagnosis Diagnose(const std::string& conninfo, Words settings = {}, Environment environment = {}) {
  if (std::ranges::count(settings, "--listen") == 0) {
    const Words ports = OwnPorts();
    settings.insert(settings.end(), ports.begin(), ports.end());
  }
  if (std::ranges::count(settings, "--grants") == 0) {
    settings.insert(settings.end(), {"--insecure", "true"});
  }
  settings.insert(settings.end(), {"-o", "json"});
  environment.emplace("VIGIL_DATABASE", conninfo);
  Diagnosis diagnosis = RunDoctor(settings, environment);
  const auto told = json::parse(diagnosis.said.substr(diagnosis.said.find('{')), nullptr, false);
  EXPECT_FALSE(told.is_discarded()) << diagnosis.said;
  if (told.is_discarded()) return diagnosis;
  for (const auto& finding : told["findings"]) {
    const std::string grade = finding["grade"];
    EXPECT_EQ(grade == "ok", !finding.contains("hint")) << finding;
    diagnosis.findings[grade].push_back(finding["check"].get<std::string>() + ": " +
                                        finding["message"].get<std::string>() + " -> " +
                                        finding.value("hint", ""));
  }
  EXPECT_EQ(told["ok"].get<bool>(), diagnosis.errors().empty());
  EXPECT_EQ(diagnosis.exit_code, diagnosis.errors().empty() ? 0 : 1) << diagnosis.said;
  return diagnosis;
}

// A Postgres like an operator's, where data matters.
class DoctorTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto started = pg::PrivateCluster::Start();
    ASSERT_TRUE(started) << started.error().message;
    cluster_ = std::move(*started).release();
    const auto migrated = pg::Migrate(cluster_->Conninfo(), PostgresSchema(), seconds(60));
    ASSERT_TRUE(migrated) << migrated.error().message;
  }
  static void TearDownTestSuite() {
    delete cluster_;
    cluster_ = nullptr;
  }

  static std::string Conninfo() { return cluster_->Conninfo(); }

  static pg::PrivateCluster* cluster_;
};

pg::PrivateCluster* DoctorTest::cluster_ = nullptr;

TEST_F(DoctorTest, NothingIsWrongWithWhatServes) {
  const Diagnosis diagnosis = Diagnose(Conninfo());
  EXPECT_THAT(diagnosis.errors(), IsEmpty());
  for (const char* line :
       {"timing: STRICT, lease 3 s: DEAD 3.03 s after its connection breaks, 18.18 s", "ports: ",
        "takes writes, on this machine", "pooler: there is none", "schema: it serves this version",
        "detection: locks are free 3 s after a coordinator freezes", "durability: no standby",
        "durability: a commit is acknowledged within", "the bound is 10",
        "connections: a coordinator opens up to 27 connections", "locks: the lock table holds"}) {
    EXPECT_THAT(diagnosis.fine(), Contains(HasSubstr(line)));
  }
  EXPECT_THAT(diagnosis.warnings(),
              Contains(HasSubstr("rights: the role postgres is a superuser")));
}

TEST_F(DoctorTest, TheTextHasALineForEachAndASum) {
  Words settings = OwnPorts();
  settings.insert(settings.end(), {"--insecure", "true"});
  const Diagnosis text = RunDoctor(settings, {{"VIGIL_DATABASE", Conninfo()}});
  EXPECT_EQ(text.exit_code, 0) << text.said;
  EXPECT_THAT(text.said, HasSubstr("ok       pooler       there is none"));
  EXPECT_THAT(text.said, HasSubstr("warning  access       it would serve without TLS"));
  EXPECT_THAT(text.said, HasSubstr("-> Set --tls-cert"));
  EXPECT_THAT(text.said, HasSubstr("0 error(s), "));
}

TEST_F(DoctorTest, Connection_ADatabaseThatIsAwayIsFoundInTime) {
  const Diagnosis refused = Diagnose("host=127.0.0.1 port=1");
  EXPECT_THAT(refused.errors(),
              ElementsAre(AllOf(HasSubstr("connection: 127.0.0.1:1: "), HasSubstr("pg_hba.conf"))));
  const Diagnosis unset = Diagnose("");
  EXPECT_THAT(unset.errors(), ElementsAre(HasSubstr("VIGIL_DATABASE")));
}

// P11: whoever never answers is not waited for.
TEST_F(DoctorTest, Connection_SilenceIsNotWaitedForLongerThanTheDeadline) {
  const auto silent = Process::Spawn(
      {.command = {
           "perl", "-MIO::Socket::INET", "-e",
           "$s = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die;"
           "$| = 1; print $s->sockport, \"\\n\"; while ($c = $s->accept) { push @c, $c }"}});
  ASSERT_TRUE(silent) << silent.error().message;
  const auto port = (*silent)->AwaitLine([](const Process::Line&) { return true; }, kPatience);
  ASSERT_TRUE(port);
  const Instant begin = Now();
  const Diagnosis diagnosis =
      Diagnose("host=127.0.0.1 port=" + port->text, {"--database-deadline", "500ms"});
  EXPECT_THAT(diagnosis.errors(), ElementsAre(HasSubstr("it does not answer within 500ms")));
  EXPECT_LT(Now() - begin, seconds(20));
}

// Several hosts are named so that one of them may be away.
TEST_F(DoctorTest, Connection_EachHostIsTold) {
  const std::string port = std::to_string(cluster_->port());
  const Diagnosis diagnosis = Diagnose(Conninfo() + " host=127.0.0.1,127.0.0.1 port=1," + port);
  EXPECT_THAT(diagnosis.warnings(), Contains(HasSubstr("connection: 127.0.0.1:1: ")));
  EXPECT_THAT(diagnosis.fine(),
              Contains(HasSubstr("connection: 127.0.0.1:" + port + " is Postgre")));
  EXPECT_THAT(diagnosis.errors(), IsEmpty());
}

TEST_F(DoctorTest, Connection_AStandbyAloneTakesNoWrites) {
  const auto standby = pg::PrivateCluster::Start({.standby_of = cluster_});
  ASSERT_TRUE(standby) << standby.error().message;
  const Diagnosis alone = Diagnose((*standby)->Conninfo());
  EXPECT_THAT(alone.errors(), ElementsAre(HasSubstr("none of the hosts takes writes")));
  EXPECT_THAT(alone.fine(), Contains(HasSubstr(", a standby, on this machine")));
  const Diagnosis primary = Diagnose(Conninfo());
  EXPECT_THAT(primary.warnings(), Contains(HasSubstr("none of them synchronous")));
}

TEST_F(DoctorTest, Pooler_IsFoundInEveryMode) {
  for (const char* mode : {"transaction", "session"}) {
    const auto bouncer = PgBouncer::Start(Conninfo(), "postgres", mode);
    ASSERT_TRUE(bouncer) << bouncer.error().message;
    EXPECT_THAT(Diagnose((*bouncer)->Conninfo()).errors(),
                ElementsAre(AllOf(HasSubstr("pooler: a pooler stands between"),
                                  HasSubstr("the address of Postgres itself"))))
        << mode;
  }
}

TEST_F(DoctorTest, Rights_WhatTheRoleLacksIsNamed) {
  RunAsSuperuser(Conninfo(),
                 "CREATE ROLE bare LOGIN PASSWORD 'bare';"
                 "CREATE ROLE partial LOGIN PASSWORD 'partial';"
                 "GRANT USAGE ON SCHEMA vigil TO partial;"
                 "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA vigil TO partial;"
                 "GRANT USAGE ON ALL SEQUENCES IN SCHEMA vigil TO partial;"
                 "REVOKE DELETE ON vigil.events FROM partial");
  EXPECT_THAT(Diagnose(Conninfo() + " user=bare password=bare").errors(),
              Contains(AllOf(HasSubstr("rights: the role bare lacks USAGE on the schema vigil"),
                             HasSubstr("vigild migrate up --grant-to bare"))));
  const std::string partial = Conninfo() + " user=partial password=partial";
  EXPECT_THAT(Diagnose(partial).errors(),
              ElementsAre(HasSubstr("rights: the role partial lacks DELETE on events ->")));
  RunAsSuperuser(Conninfo(), "GRANT DELETE ON vigil.events TO partial");
  const Diagnosis enough = Diagnose(partial);
  EXPECT_THAT(enough.errors(), IsEmpty());
  EXPECT_THAT(enough.warnings(), Contains(HasSubstr("GRANT pg_read_all_stats TO partial")));
}

TEST_F(DoctorTest, Schema_OneThatIsMissingOrOldIsToldWithTheCommand) {
  ASSERT_TRUE(cluster_->CreateDatabase("empty"));
  EXPECT_THAT(Diagnose(cluster_->Conninfo("empty")).errors(),
              ElementsAre(AllOf(HasSubstr("schema: "), HasSubstr("vigild migrate up"))));
  ASSERT_TRUE(cluster_->CreateDatabase("old"));
  pg::Schema old = PostgresSchema();
  old.migrations.pop_back();
  ASSERT_TRUE(pg::Migrate(cluster_->Conninfo("old"), old, seconds(60)));
  EXPECT_THAT(Diagnose(cluster_->Conninfo("old")).errors(),
              Contains(AllOf(HasSubstr("schema: "), HasSubstr("vigild migrate up"))));
}

TEST_F(DoctorTest, Capacity_TooFewConnectionsAndTooFewLocksAreCounted) {
  RunAsSuperuser(Conninfo(),
                 "CREATE ROLE few LOGIN PASSWORD 'few' CONNECTION LIMIT 20;"
                 "GRANT USAGE ON SCHEMA vigil TO few;"
                 "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA vigil TO few;"
                 "GRANT USAGE ON ALL SEQUENCES IN SCHEMA vigil TO few");
  EXPECT_THAT(Diagnose(Conninfo() + " user=few password=few").errors(),
              ElementsAre(AllOf(HasSubstr("connections: one coordinator needs 27 connections"),
                                HasSubstr("CONNECTION LIMIT of 20"))));
  // 100,000 locks in 80 % of a table with 200 sessions: 625 each, and one to spare.
  EXPECT_THAT(Diagnose(Conninfo(), {"--max-pods", "100000"}).warnings(),
              Contains(AllOf(HasSubstr("locks: the lock table holds 12800 locks"),
                             HasSubstr("max_locks_per_transaction to 626"))));
  EXPECT_THAT(Diagnose(Conninfo(), {"--liveness-sessions", "150"}).warnings(),
              Contains(HasSubstr("connections: a coordinator opens up to 169 connections, so 1 and "
                                 "one more during an upgrade 338")));
}

// A plain role sees nothing else of them.
TEST_F(DoctorTest, Capacity_ConnectionsOfOtherRolesAreCounted) {
  RunAsSuperuser(Conninfo(),
                 "CREATE ROLE counting LOGIN PASSWORD 'counting';"
                 "GRANT USAGE ON SCHEMA vigil TO counting;"
                 "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA vigil TO counting;"
                 "GRANT USAGE ON ALL SEQUENCES IN SCHEMA vigil TO counting");
  std::vector<std::unique_ptr<pg::Connection>> others;
  for (int i = 0; i < 5; ++i) {
    auto opened = pg::Connection::Open({.conninfo = Conninfo()}, Now() + kPatience);
    ASSERT_TRUE(opened) << opened.error().error.message;
    others.push_back(std::move(*opened));
  }
  EXPECT_THAT(Diagnose(Conninfo() + " user=counting password=counting").fine(),
              Contains(testing::ContainsRegex("connections: .* ([5-9]|1[0-9]) are in use now")));
}

TEST_F(DoctorTest, Timing_SettingsThatDoNotFitTogetherAreRefused) {
  EXPECT_THAT(Diagnose(Conninfo(), {"--idle-session-timeout", "500ms"}).errors(),
              ElementsAre(HasSubstr("timing: ")));
}

// A commit that no standby acknowledges would stop every lease.
TEST_F(DoctorTest, Durability_CommitsThatHangAndDataThatMayGoAreTold) {
  auto cluster = pg::PrivateCluster::Start({.fsync = false});
  ASSERT_TRUE(cluster) << cluster.error().message;
  const std::string conninfo = (*cluster)->Conninfo();
  ASSERT_TRUE(pg::Migrate(conninfo, PostgresSchema(), seconds(60)));
  RunAsSuperuser(conninfo, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
  ASSERT_TRUE((*cluster)->Restart(pg::PrivateCluster::Shutdown::kFast));
  const Diagnosis diagnosis = Diagnose(conninfo, {"--database-deadline", "1s"});
  EXPECT_THAT(diagnosis.errors(),
              Contains(AllOf(HasSubstr("durability: a commit is not acknowledged"),
                             HasSubstr("synchronous standbys"))));
  EXPECT_THAT(diagnosis.errors(), Contains(HasSubstr("durability: fsync is off")));
}

// The machine's own clock, five in a hundred too fast.
TEST_F(DoctorTest, Clock_OneThatRunsAtAnotherRateIsFound) {
  const Diagnosis diagnosis =
      Diagnose(Conninfo(), {}, {{"LD_PRELOAD", VIGIL_FAKE_CLOCK}, {"FAKE_CLOCK_RATE", "1.05"}});
  EXPECT_THAT(diagnosis.warnings(), Contains(AllOf(HasSubstr("clock: "), HasSubstr("slower than"),
                                                   HasSubstr("--clock-rate-permille"))));
}

// --- Files and ports

class DoctorFilesTest : public DoctorTest {
 protected:
  static constexpr char kToken[] = "canary-token-0123456789";

  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(authority_.directory() + "/" + name) << text;
    return authority_.directory() + "/" + name;
  }

  Diagnosis DiagnoseFiles(const CertificateAuthority::Issued& served, const std::string& key,
                          const std::string& grants) const {
    return Diagnose(Conninfo(), {"--tls-cert", served.certificate, "--tls-key", key, "--tokens",
                                 Write("tokens", "web " + std::string(kToken) + "\n"), "--grants",
                                 Write("grants", grants)});
  }

  CertificateAuthority authority_ = MakeAuthority("doctor");
};

TEST_F(DoctorFilesTest, Tls_ExpiryAndTheWrongKeyAreFound) {
  const std::string grants = "web * operator\n";
  const auto good = authority_.Issue("good", "DNS:localhost", 30);
  const auto soon = authority_.Issue("soon", "DNS:localhost", 2);
  const auto expired = authority_.Issue("expired", "DNS:localhost", -1);
  const auto nameless = authority_.Issue("nameless", "", 30);
  ASSERT_TRUE(good && soon && expired && nameless);
  const Diagnosis fine = DiagnoseFiles(*good, good->key, grants);
  EXPECT_THAT(fine.errors(), IsEmpty());
  EXPECT_THAT(fine.fine(), Contains(AllOf(HasSubstr("tls: "), HasSubstr("CN = good"),
                                          HasSubstr("is valid for "))));
  EXPECT_THAT(fine.fine(), Contains(HasSubstr("are well-formed")));
  EXPECT_THAT(DiagnoseFiles(*soon, soon->key, grants).warnings(),
              Contains(AllOf(HasSubstr("expires in 47 hours"), HasSubstr("Renew it"))));
  EXPECT_THAT(DiagnoseFiles(*expired, expired->key, grants).errors(),
              ElementsAre(AllOf(HasSubstr("tls: "), HasSubstr("has expired "))));
  EXPECT_THAT(DiagnoseFiles(*good, soon->key, grants).errors(),
              ElementsAre(HasSubstr("is not the key of")));
  EXPECT_THAT(DiagnoseFiles(*good, "/nonexistent", grants).errors(),
              ElementsAre(HasSubstr("/nonexistent cannot be read")));
  EXPECT_THAT(DiagnoseFiles(*nameless, nameless->key, grants).warnings(),
              Contains(HasSubstr("names no host")));
}

// The same reader as that of `serve`.
TEST_F(DoctorFilesTest, Settings_TheFileIsReadAsForServe) {
  const std::string file = Write("vigild.conf",
                                 "database = host=127.0.0.1 port=1\n"
                                 "insecure = true\ngrpc-connections = 123\n");
  Words settings = OwnPorts();
  settings.insert(settings.end(), {"--config", file});
  const Diagnosis diagnosis = RunDoctor(settings, {});
  EXPECT_EQ(diagnosis.exit_code, 1);
  EXPECT_THAT(diagnosis.said, AllOf(HasSubstr("connection   127.0.0.1:1: "),
                                    HasSubstr("123 connections over gRPC")));
  EXPECT_EQ(RunDoctor({"--config", "/nonexistent"}, {}).exit_code, 2);
}

TEST_F(DoctorFilesTest, Access_MalformedGrantsAreToldByTheirLineAndNoTokenIs) {
  const auto good = authority_.Issue("good", "DNS:localhost", 30);
  ASSERT_TRUE(good);
  const Diagnosis diagnosis = DiagnoseFiles(*good, good->key, "web * operator\nweb * lord\n");
  EXPECT_THAT(diagnosis.errors(), ElementsAre(AllOf(HasSubstr("access: "), HasSubstr("line 2"))));
  EXPECT_THAT(diagnosis.said, Not(HasSubstr(kToken)));
  EXPECT_THAT(diagnosis.warnings(), Contains(HasSubstr("tokens can be read by everybody")));
}

TEST_F(DoctorTest, Ports_AStrangersAreAnErrorAndOurOwnAreNot) {
  const auto serving = std::make_unique<TestServer>(Conninfo());
  ASSERT_TRUE(serving->WaitUntilReady());
  const std::string http = "127.0.0.1:" + std::to_string(serving->http_port());
  const Diagnosis own =
      Diagnose(Conninfo(), {"--listen", serving->address(), "--http-listen", http});
  EXPECT_THAT(own.errors(), IsEmpty());
  EXPECT_THAT(own.fine(), Contains(HasSubstr("served by a coordinator already (--listen)")));
  EXPECT_THAT(own.fine(), Contains(HasSubstr("is ready")));
  const std::string strangers = "127.0.0.1:" + std::to_string(cluster_->port());
  EXPECT_THAT(
      Diagnose(Conninfo(),
               {"--listen", strangers, "--http-listen", "127.0.0.1:" + std::to_string(FreePort())})
          .errors(),
      ElementsAre(AllOf(HasSubstr("ports: " + strangers), HasSubstr("Address already in use"))));
}

// --- Secrets

TEST_F(DoctorTest, Secrets_NoPasswordIsEverSaid) {
  constexpr char kSecret[] = "canary-password";
  const std::string port = std::to_string(cluster_->port());
  const Words faulty = {"postgresql://postgres:canary-password@127.0.0.1:" + port + "/postgres",
                        "postgresql://postgres:canary-password@127.0.0.1:1/postgres",
                        "host=127.0.0.1 user=postgres password=canary-password port=" + port,
                        "host=127.0.0.1 user=postgres password=canary-password port=nonsense",
                        "host=127.0.0.1 user=postgres password='canary-password port=1",
                        "postgresql://postgres:canary-password@127.0.0.1:x/postgres",
                        "host=127.0.0.1 sslmode=verify-full password=canary-password port=" + port};
  for (const std::string& conninfo : faulty) {
    const Diagnosis diagnosis = Diagnose(conninfo);
    EXPECT_EQ(diagnosis.exit_code, 1) << diagnosis.said;
    EXPECT_THAT(diagnosis.said, Not(HasSubstr(kSecret)));
    Words settings = OwnPorts();
    const Diagnosis text = RunDoctor(settings, {{"VIGIL_DATABASE", conninfo}});
    EXPECT_THAT(text.said, Not(HasSubstr(kSecret)));
  }
  const Diagnosis refused =
      RunDoctor({"--database", "host=127.0.0.1 password=canary-password"}, {});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.said, Not(HasSubstr(kSecret)));
}

TEST(Doctor, FilesThatAreTooFewForTheConnectionsAskedForAreSaid) {
  TestDatabase database;
  const auto few =
      Diagnose(database.conninfo(), {"--grpc-connections", "20", "--http-connections", "20"});
  EXPECT_THAT(few.fine(), Contains(HasSubstr("files: ")));
  const auto many = Diagnose(database.conninfo(), {"--grpc-connections", "1000000"});
  EXPECT_THAT(many.warnings(), Contains(AllOf(HasSubstr("files: "), HasSubstr("hard limit of"))));
}

}  // namespace
}  // namespace vigil
