// The database's identity on Postgres: what an observer with little rights makes of it, and how
// observers with different rights understand each other.
#include "conformance/store_test.h"
#include "pg/connection.h"
#include "store/postgres/postgres_database.h"
#include "support/store_test_database.h"

namespace vigil {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// The database as a role sees it that may use our tables and nothing else.
class PlainRoleWorld final : public StoreWorld {
 public:
  PlainRoleWorld() {
    RunAsSuperuser(test_database_.conninfo(), "DROP ROLE IF EXISTS plain");
    MakePlainRole(test_database_, "plain");
  }
  ~PlainRoleWorld() override {
    RunAsSuperuser(test_database_.conninfo(), "DROP OWNED BY plain; DROP ROLE plain");
  }

  Database& database() override { return plain_; }
  // The same one, as a role with all rights sees it.
  Database& privileged() { return privileged_; }
  void EndSession(Backend backend) override {
    RunAsSuperuser(test_database_.conninfo(),
                   "SELECT pg_terminate_backend(" + std::to_string(backend.value) + ")");
  }
  void Restart() override {
    const auto restarted = TestCluster().Restart(pg::PrivateCluster::Shutdown::kFast);
    ASSERT_TRUE(restarted) << restarted.error().message;
  }
  void LoseEvents(const std::string& ns, Seq head) override {
    vigil::LoseEvents(test_database_, ns, head);
  }
  void Age(Duration by) override { vigil::Age(test_database_, by); }
  // One backend dies, and Postgres resets itself. Returns when it is there again.
  void Crash(Backend backend) {
    const std::string before = Checkpointer();
    ASSERT_TRUE(TestCluster().KillBackend(static_cast<pid_t>(backend.value)));
    EXPECT_TRUE(TurnUntil([&] {
      const std::string now = Checkpointer();
      return !now.empty() && now != before;
    }));
  }
  // Ends the session that this role's store has.
  void EndStoreSessions() {
    RunAsSuperuser(test_database_.conninfo(),
                   "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                   " WHERE usename = 'plain' AND application_name = 'vigil store'");
  }

 private:
  // When it started; empty while the server is away.
  std::string Checkpointer() const {
    constexpr pg::Statement kStart{"start",
                                   "SELECT backend_start::text FROM pg_stat_activity"
                                   " WHERE backend_type = 'checkpointer'"};
    const Instant deadline = SystemClock().Now() + std::chrono::seconds(20);
    auto connection = pg::Connection::Open({test_database_.conninfo(), "test", {}}, deadline);
    if (!connection) return "";
    const auto rows =
        (*connection)->Execute({.steps = {{&kStart, {}}}, .changes = false}, deadline);
    return rows && !rows->front().empty() ? rows->front()[0].Text() : "";
  }

  PostgresOptions Options(const std::string& more) const {
    return {.conninfo = test_database_.conninfo() + more,
            .idle_session_timeout = std::chrono::minutes(5)};
  }

  TestDatabase test_database_;
  PostgresDatabase plain_{loop(), loop(), Options(" user=plain password=plain")};
  PostgresDatabase privileged_{loop(), loop(), Options("")};
};

class IdentityTest : public StoreTest {
 protected:
  PlainRoleWorld& plain_world() { return dynamic_cast<PlainRoleWorld&>(world()); }
  std::unique_ptr<Store> Privileged() {
    return plain_world().privileged().OpenStore(std::chrono::seconds(20));
  }
  static FreePod Only(const ProbeReport& report) {
    EXPECT_EQ(report.free_pods.size(), 1U);
    return report.free_pods.empty() ? FreePod() : report.free_pods.front();
  }
};

INSTANTIATE_TEST_SUITE_P(, IdentityTest,
                         ::testing::Values(StoreWorldMaker{
                             "PlainRole", [] { return std::make_unique<PlainRoleWorld>(); }}),
                         [](const auto& test) { return test.param.name; });

TEST_P(IdentityTest, PlainRole_IsTheContinuityOfItsSession) {  // P9
  Host host = AddHost();
  Pod pod = RegisterFree(host, "cart");
  SuspicionNumber suspicion = SuspectFree(host, pod);
  const DatabaseIdentity first = Must(store().Probe(host.observer(), kDue)).identity;
  EXPECT_THAT(first, HasSubstr("session"));
  EXPECT_EQ(Must(store().Probe(host.observer(), kDue)).identity, first);

  plain_world().EndStoreSessions();
  ProbeReport report = Must(store().Probe(host.observer(), kDue));
  EXPECT_NE(report.identity, first) << "another session may see another lock table";
  EXPECT_EQ(Only(report).suspicion, suspicion) << "it stands for those who saw it all the time";

  // What was seen in the earlier session is no ground for a verdict in this one.
  Observer observer = host.observer();
  observer.identity = first;
  EXPECT_EQ(ReasonOf(store().DeclareFree(observer, kNs, {{HostedAs(pod), suspicion}})),
            reason::kCoordinatorUntrusted);
  EXPECT_EQ(ReasonOf(store().GiveUpCoordinators(observer, {CoordinatorNumber{1}})),
            reason::kCoordinatorUntrusted);
  EXPECT_EQ(StateOf(pod), PodState::kSuspect);
  observer.identity = report.identity;
  EXPECT_THAT(Must(store().DeclareFree(observer, kNs, {{HostedAs(pod), suspicion}})),
              ElementsAre(HostedAs(pod)));
}

TEST_P(IdentityTest, OtherRights_LeaveASuspicionStanding) {  // P2
  Host host = AddHost();
  Pod plain = RegisterFree(host, "plain");
  SuspicionNumber suspicion = SuspectFree(host, plain);
  auto privileged = Privileged();

  ProbeReport report = Must(privileged->Probe(host.observer(), kDue));
  EXPECT_THAT(report.identity, Not(HasSubstr("session")));
  EXPECT_EQ(Only(report).suspicion, suspicion) << "the stamp knows less, but nothing else";
  EXPECT_THAT(Must(privileged->SuspectFree(host.observer(), kNs, {HostedAs(plain)})), IsEmpty());
  EXPECT_THAT(Must(privileged->DeclareFree(host.observer(), kNs, {{HostedAs(plain), suspicion}})),
              ElementsAre(HostedAs(plain)));

  Pod other = RegisterFree(host, "other");
  auto made = Must(privileged->SuspectFree(host.observer(), kNs, {HostedAs(other)}));
  ASSERT_EQ(made.size(), 1U);
  EXPECT_EQ(Only(Must(store().Probe(host.observer(), kDue))).suspicion, made[0].number);
  EXPECT_THAT(Must(store().SuspectFree(host.observer(), kNs, {HostedAs(other)})), IsEmpty());
  EXPECT_THAT(Must(store().DeclareFree(host.observer(), kNs, made)), ElementsAre(HostedAs(other)));
}

TEST_P(IdentityTest, BackendCrash_ChangesItForEveryObserver) {  // P9
  Host before = AddHost();
  Pod pod = RegisterFree(before, "cart");
  auto privileged = Privileged();
  auto made = Must(privileged->SuspectFree(before.observer(), kNs, {HostedAs(pod)}));
  ASSERT_EQ(made.size(), 1U);
  const DatabaseIdentity plain_identity = Must(store().Probe(before.observer(), kDue)).identity;
  const DatabaseIdentity identity = Must(privileged->Probe(before.observer(), kDue)).identity;

  plain_world().Crash(before.session->backend());
  Host after = AddHost();

  EXPECT_NE(Must(store().Probe(after.observer(), kDue)).identity, plain_identity);
  ProbeReport report = Must(privileged->Probe(after.observer(), kDue));
  EXPECT_NE(report.identity, identity);
  EXPECT_FALSE(Only(report).suspicion) << "that suspicion was of the locks before the crash";
  EXPECT_THAT(Must(privileged->DeclareFree(after.observer(), kNs, made)), IsEmpty());
  EXPECT_EQ(StateOf(pod), PodState::kSuspect);
}

}  // namespace
}  // namespace vigil
