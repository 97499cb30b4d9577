// What orchestrators are told while Postgres comes and goes, and when something is wedged.
#include "measured.h"
#include "scenario.h"
#include "support/frozen_thread.h"
#include "support/health_observers.h"

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::Ge;
using Shutdown = pg::PrivateCluster::Shutdown;

using Observers = std::vector<std::unique_ptr<HealthObserver>>;

constexpr char kPodEvents[] = "vigil.v1.PodEventService";

class HealthScenario : public Scenario {
 protected:
  void Start(int coordinators, Duration trust_window, std::vector<std::string> settings = {}) {
    settings.insert(settings.end(),
                    {"--trust-window", std::to_string(trust_window / milliseconds(1)) + "ms"});
    ASSERT_NO_FATAL_FAILURE(
        StartCluster({.coordinators = coordinators, .settings = std::move(settings)}));
  }

  std::unique_ptr<HealthObserver> Probe(int place, const std::string& target) {
    return HealthObserver::Probing(cluster().http_address(place), target);
  }
  std::unique_ptr<HealthObserver> Watch(int place, const std::string& service) {
    return HealthObserver::Watching(cluster().address(place), service);
  }

  // Each has seen this and nothing else.
  static void ExpectOnly(const Observers& observers, const std::string& what) {
    for (const auto& observer : observers) EXPECT_THAT(observer->Course(), ElementsAre(what));
  }
};

// P9: orchestrators and clients are told nothing of an outage that pods do not notice.
TEST_F(HealthScenario, PostgresRestarted_ReadinessNeverFlaps) {
  const Duration trust_window = seconds(10);
  ASSERT_NO_FATAL_FAILURE(Start(2, trust_window));
  Observers http;
  Observers grpc;
  for (int place = 0; place < cluster().size(); ++place) {
    for (const char* target : {"/readyz", "/readyz", "/livez"}) {
      http.push_back(Probe(place, target));
    }
    for (const char* service : {"", "vigil.v1.WorkService"}) {
      grpc.push_back(Watch(place, service));
    }
  }
  for (const auto& observer : grpc) ASSERT_TRUE(observer->Await("SERVING", kPatience));
  for (const Shutdown how : {Shutdown::kFast, Shutdown::kImmediate, Shutdown::kFast}) {
    const Instant stopped = Now();
    ASSERT_TRUE(Postgres().Stop(how));
    // A good part of the window, however quickly it is back.
    EXPECT_FALSE(http.front()->Await("503 database", trust_window / 4));
    ASSERT_TRUE(Postgres().StartAgain());
    ASSERT_LT(Now() - stopped, trust_window * 3 / 4) << "the machine was too slow to tell";
    ASSERT_TRUE(Database().AwaitSettled(0, cluster().size(), kPatience));
  }
  for (const auto& observer : http) EXPECT_THAT(observer->answers(), Ge(200u));
  ExpectOnly(http, "200");
  ExpectOnly(grpc, "SERVING");
}

// What is told changes once, when the window is over, and once again, and it says why.
TEST_F(HealthScenario, PostgresAwayForLongerThanTheTrustWindow_ReadinessNamesTheDatabase) {
  const Duration trust_window = seconds(4);
  ASSERT_NO_FATAL_FAILURE(Start(1, trust_window));
  const auto ready = Probe(0, "/readyz");
  const auto live = Probe(0, "/livez");
  const auto whole = Watch(0, "");
  const auto work = Watch(0, "vigil.v1.WorkService");
  ASSERT_TRUE(ready->Await("200", kPatience));

  const Instant stopped = Now();
  ASSERT_TRUE(Postgres().Stop(Shutdown::kFast));
  // That of its row may be over a moment before that of its pings.
  ASSERT_TRUE(ready->Await("503 database", kPatience));
  ASSERT_TRUE(whole->Await("NOT_SERVING", kPatience));
  ASSERT_TRUE(work->Await("NOT_SERVING", kPatience));
  const Duration noticed = ready->Seen().back().at - stopped;
  // From the sending of the last ping that was answered, which may be an interval old.
  EXPECT_THAT(noticed, Ge(trust_window - seconds(1)));
  ExpectWithin("it is told after the trust window", noticed, trust_window + seconds(1));
  ASSERT_TRUE(Postgres().StartAgain());
  ASSERT_TRUE(ready->Await("200", kPatience));
  ASSERT_TRUE(whole->Await("SERVING", kPatience));
  ASSERT_TRUE(work->Await("SERVING", kPatience));

  EXPECT_THAT(ready->Course(), ElementsAre("200", "503", "200"));
  EXPECT_THAT(whole->Course(), ElementsAre("SERVING", "NOT_SERVING", "SERVING"));
  EXPECT_THAT(work->Course(), ElementsAre("SERVING", "NOT_SERVING", "SERVING"));
  EXPECT_THAT(live->Course(), ElementsAre("200")) << "a restart cures no database";
}

// Never stuck: who comes before its database answers, says what it waits for, and then serves.
TEST_F(HealthScenario, PostgresDownAtTheStart_ItAnswersAndServesLater) {
  ASSERT_NO_FATAL_FAILURE(Start(1, seconds(4)));
  const auto vigild = FindBuilt("vigild");
  ASSERT_TRUE(vigild) << vigild.error().message;
  ASSERT_TRUE(Postgres().Stop(Shutdown::kFast));
  const auto early = Process::Spawn({.command = {*vigild, "serve", "--insecure", "true", "--listen",
                                                 "127.0.0.1:0", "--http-listen", "127.0.0.1:0"},
                                     .environment = {{"VIGIL_DATABASE", cluster().Conninfo()}}});
  ASSERT_TRUE(early) << early.error().message;
  const auto port_in = [&](const std::string& sentence) {
    const auto line = (*early)->AwaitLine(
        [&](const Process::Line& read) { return read.text.find(sentence) != std::string::npos; },
        kPatience);
    const size_t at = line ? line->text.find(" port=") : std::string::npos;
    return at == std::string::npos ? "" : std::to_string(std::stoi(line->text.substr(at + 6)));
  };
  const std::string http_address = "127.0.0.1:" + port_in("Serving HTTP.");
  const auto ready = HealthObserver::Probing(http_address, "/readyz");
  const auto live = HealthObserver::Probing(http_address, "/livez");
  const auto whole = HealthObserver::Watching("127.0.0.1:" + port_in("Listening."), "");
  EXPECT_TRUE(ready->Await("503 examination", kPatience));
  EXPECT_TRUE(whole->Await("NOT_SERVING", kPatience));
  ASSERT_TRUE(Postgres().StartAgain());
  EXPECT_TRUE(ready->Await("200", kPatience));
  EXPECT_TRUE(whole->Await("SERVING", kPatience));
  EXPECT_THAT(whole->Course(), ElementsAre("NOT_SERVING", "SERVING"));
  EXPECT_THAT(live->Course(), ElementsAre("200"));
}

// A loop that stands still grants no lease or serves no event, whatever it last said of itself.
TEST_F(HealthScenario, ALoopThatStandsStill_IsNotLive) {
  ASSERT_NO_FATAL_FAILURE(Start(2, seconds(30)));
  Observers live;
  Observers ready;
  Observers whole;
  std::vector<std::unique_ptr<FrozenThread>> frozen;
  for (int place = 0; place < cluster().size(); ++place) {
    live.push_back(Probe(place, "/livez"));
    ready.push_back(Probe(place, "/readyz"));
    whole.push_back(Watch(place, ""));
    ASSERT_TRUE(whole.back()->Await("SERVING", kPatience));
    ASSERT_TRUE(live.back()->Await("200", kPatience));
  }
  for (int place = 0; place < cluster().size(); ++place) {
    auto thread = FrozenThread::Freeze(cluster().coordinator(place).pid(),
                                       place == 0 ? "pods-loop" : "log-loop");
    ASSERT_TRUE(thread) << thread.error().message << " " << thread.error().hint;
    frozen.push_back(std::move(*thread));
  }
  for (const auto& observer : live) EXPECT_TRUE(observer->Await("503 loops", kPatience));
  for (const auto& observer : ready) EXPECT_TRUE(observer->Await("503 loops", kPatience));
  for (const auto& observer : whole) EXPECT_TRUE(observer->Await("NOT_SERVING", kPatience));
  frozen.clear();
  for (const auto& observer : live) {
    EXPECT_TRUE(observer->Await("200", kPatience));
    EXPECT_THAT(observer->Course(), ElementsAre("200", "503", "200"));
  }
  for (const auto& observer : whole) EXPECT_TRUE(observer->Await("SERVING", kPatience));
}

// It goes on hosting pods meanwhile: only the log is not read.
TEST_F(HealthScenario, AReadingOfTheLogThatNeverComesBack_IsNotLive) {
  ASSERT_NO_FATAL_FAILURE(Start(1, seconds(30), {"--database-deadline", "2s"}));
  const auto live = Probe(0, "/livez");
  const auto ready = Probe(0, "/readyz");
  const auto events = Watch(0, kPodEvents);
  ASSERT_TRUE(events->Await("SERVING", kPatience));
  {
    // Which the scenario's own subscriber makes it read for.
    const auto frozen = FrozenThread::Freeze(cluster().coordinator(0).pid(), "log-lane");
    ASSERT_TRUE(frozen) << frozen.error().message << " " << frozen.error().hint;
    EXPECT_TRUE(live->Await("503 reader", kPatience));
    EXPECT_TRUE(events->Await("NOT_SERVING", kPatience));
  }
  EXPECT_TRUE(live->Await("200", kPatience));
  EXPECT_TRUE(events->Await("SERVING", kPatience));
  EXPECT_THAT(ready->Course(), ElementsAre("200"));
}

}  // namespace
}  // namespace vigil
