// Clocks that run at rates of their own.
#include <csignal>

#include "measured.h"
#include "scenario.h"

namespace vigil {
namespace {

using std::chrono::seconds;

constexpr auto kLease = seconds(2);

// Only differences of rates matter: the coordinators keep the machine's.
class ClockRates : public Scenario {
 protected:
  // A pod at each of these rates. What it reports of times is of its own clock.
  void Start(const std::vector<std::string>& rates) {
    ASSERT_NO_FATAL_FAILURE(StartCluster({.coordinators = 2}));
    for (const std::string& rate : rates) {
      pods_.push_back(&Play({.name = "pod-" + rate,
                             .strict = true,
                             .lease = kLease,
                             .items = 1,
                             .keys = "pod-" + rate + "-",
                             .machine = {.environment = {{"LD_PRELOAD", VIGIL_FAKE_CLOCK},
                                                         {"FAKE_CLOCK_RATE", rate}}}}));
    }
    for (size_t i = 0; i < rates.size(); ++i) {
      const Report ready = Expect(*pods_[i], "ready");
      // Since the machine was started, a moment ago: the clock is really another one.
      const double shown = static_cast<double>(ready.At().time_since_epoch().count()) /
                           static_cast<double>(Now().time_since_epoch().count());
      EXPECT_NEAR(shown, std::stod(rates[i]), 0.004);
    }
  }

  // Everybody goes on for this long.
  void ExpectNothing(Duration within) {
    EXPECT_FALSE(log().Await(Of(client::EventKind::kPodSuspected), within));
    ExpectNone("deaths", log().Count(Of(client::EventKind::kPodDied)));
    ExpectNone("suspicions", log().Count(Of(client::EventKind::kPodSuspected)));
    for (ReportingProcess* pod : pods_) ExpectNone("LOST", pod->Reports("lost").size());
  }

  std::vector<ReportingProcess*> pods_;
};

// P7: within the bound that the settings name (1 %) nobody notices.
TEST_F(ClockRates, ClockRatesWithinTheBound_NothingHappens) {
  ASSERT_NO_FATAL_FAILURE(Start({"1.005", "0.995"}));
  ExpectNothing(FullOr(seconds(60), seconds(5)));
}

// P5: a pod whose clock is slow hears of its death after the others, who have its work with a
// higher fence by then.
TEST_F(ClockRates, ClockRatesBeyondTheBound_FencesHold) {
  ASSERT_NO_FATAL_FAILURE(Start({"1.10", "0.90"}));
  ExpectNothing(FullOr(seconds(30), seconds(3)));
  ReportingProcess& survivor = Play({.name = "survivor", .claims = true});
  Expect(survivor, "ready");

  for (ReportingProcess* pod : pods_) pod->process().Signal(SIGSTOP);
  for (const char* key : {"pod-1.10-00", "pod-0.90-00"}) {
    ExpectEvent("claimed", Claimed(key));
  }
  for (ReportingProcess* pod : pods_) pod->process().Signal(SIGCONT);

  for (ReportingProcess* pod : pods_) {
    EXPECT_EQ(Expect(*pod, "refused").Text("reason"), "FENCED");
    EXPECT_TRUE(pod->Reports("written").empty());
  }
}

}  // namespace
}  // namespace vigil
