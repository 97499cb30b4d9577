// Clocks that run at rates of their own.
#include <signal.h>

#include <filesystem>
#include <fstream>

#include "measured.h"
#include "scenario.h"

namespace vigil {
namespace {

namespace fs = std::filesystem;

using client::EventKind;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kLease = seconds(2);

// The library that the program `faketime` preloads; the program itself would stand between us and
// the process. Empty when there is none.
std::string FakeTimeLibrary() {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/usr/lib", error)) {
    const fs::path library = entry.path() / "faketime" / "libfaketimeMT.so.1";
    if (fs::exists(library, error)) return library;
  }
  return "";
}

// Every clock of a process at this rate.
Machine AtRate(const std::string& rate) {
  return {.environment = {{"LD_PRELOAD", FakeTimeLibrary()}, {"FAKETIME", "+0 x" + rate}}};
}

bool HasFakeTime(pid_t process) {
  std::ifstream maps("/proc/" + std::to_string(process) + "/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("libfaketime") != std::string::npos) return true;
  }
  return false;
}

// What libfaketime leaves behind of a process that was killed.
void Forget(pid_t process) {
  std::error_code error;
  fs::remove("/dev/shm/faketime_shm_" + std::to_string(process), error);
  fs::remove("/dev/shm/sem.faketime_sem_" + std::to_string(process), error);
}

class ClockRates : public Scenario {
 protected:
  // A coordinator at each of these rates, and a pod on each, which keeps the machine's.
  void Start(const std::vector<std::string>& rates) {
    ASSERT_NE(FakeTimeLibrary(), "") << "there is no libfaketime; `./dev setup` installs it";
    VigilCluster::Options options;
    options.coordinators = static_cast<int>(rates.size());
    options.machine = [rates](int place) { return AtRate(rates.at(static_cast<size_t>(place))); };
    if (!InFull()) options.settings = {"--trust-window", "2s"};
    ASSERT_NO_FATAL_FAILURE(StartCluster(options));
    for (int place = 0; place < cluster().size(); ++place) {
      coordinators_.push_back(cluster().coordinator(place).pid());
      EXPECT_TRUE(HasFakeTime(coordinators_.back()));
      const std::string name = "pod-" + std::to_string(place);
      pods_.push_back(&Play({.addresses = cluster().Addresses(place),
                             .name = name,
                             .strict = true,
                             .lease_ms = static_cast<int>(milliseconds(kLease).count()),
                             .items = 1,
                             .keys = name + "-",
                             .in_order = true}));
    }
    for (ReportingProcess* pod : pods_) Expect(*pod, "ready");
  }

  void TearDown() override {
    Scenario::TearDown();
    StopCluster();
    for (const pid_t process : coordinators_) Forget(process);
  }

  void ExpectNothing() {
    ExpectNone("deaths", log().Count(Of(EventKind::kPodDied)));
    ExpectNone("suspicions", log().Count(Of(EventKind::kPodSuspected)));
    for (ReportingProcess* pod : pods_) ExpectNone("LOST", pod->Reports("lost").size());
  }

  std::vector<ReportingProcess*> pods_;
  std::vector<pid_t> coordinators_;
};

// P7, P9: within the bound that the settings name (1 %) nobody notices.
TEST_F(ClockRates, ClockRatesWithinTheBound_NothingHappens) {
  ASSERT_NO_FATAL_FAILURE(Start({"1.005", "0.995"}));
  EXPECT_FALSE(log().Await(Of(EventKind::kPodDied), FullOr(seconds(60), seconds(5))));
  ExpectNothing();
}

// P5: whoever is told too early that a pod is DEAD takes its work with a higher fence.
TEST_F(ClockRates, ClockRatesBeyondTheBound_FencesHold) {
  ASSERT_NO_FATAL_FAILURE(Start({"1.10", "0.91"}));
  EXPECT_FALSE(log().Await(Of(EventKind::kPodDied), FullOr(seconds(30), seconds(2))));
  ExpectNothing();
  ReportingProcess& survivor = Play({.name = "survivor", .claims = true});
  Expect(survivor, "ready");

  for (ReportingProcess* pod : pods_) pod->process().Signal(SIGSTOP);
  for (size_t i = 0; i < pods_.size(); ++i) {
    ExpectEvent("claimed", Claimed("pod-" + std::to_string(i) + "-00"));
  }
  for (ReportingProcess* pod : pods_) pod->process().Signal(SIGCONT);

  for (ReportingProcess* pod : pods_) {
    EXPECT_EQ(Expect(*pod, "refused").Text("reason"), "FENCED");
    EXPECT_TRUE(pod->Reports("written").empty());
  }
}

}  // namespace
}  // namespace vigil
