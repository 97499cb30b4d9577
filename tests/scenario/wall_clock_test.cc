// Wall clocks that jump.
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "measured.h"
#include "scenario.h"

namespace vigil {
namespace {

namespace fs = std::filesystem;

using std::chrono::seconds;

constexpr auto kLease = seconds(2);
// How far a clock is turned, and how exactly that is looked at, in seconds.
constexpr int64_t kHour = 3600;
constexpr int64_t kAbout = 60;

// The second at the beginning of a line of a coordinator's log.
int64_t SecondOf(const Process::Line& line) {
  tm parts{};
  return strptime(line.text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts) == nullptr ? 0 : timegm(&parts);
}

// What the command of a pod prints, and its second.
const std::vector<std::string> kTelling = {"/bin/sh", "-c",
                                           "while :; do date '+time %s'; sleep 0.1; done"};
int64_t SecondTold(const Process::Line& line) {
  return line.text.starts_with("time ") ? std::stoll(line.text.substr(5)) : 0;
}

// The wall clock of some processes, which can be turned while they run.
class WallClock {
 public:
  // The file is made; the library must be where all of them can read it.
  WallClock(std::string file, std::string library)
      : file_(std::move(file)), library_(std::move(library)) {
    Turn(0);
  }

  // So many seconds away from the machine's own. Everybody sees it at once.
  void Turn(int64_t by) const {
    const int64_t nanoseconds = by * 1'000'000'000;
    std::fstream file(file_, std::ios::binary | std::ios::in | std::ios::out);
    if (!file.is_open()) file.open(file_, std::ios::binary | std::ios::out);
    file.write(reinterpret_cast<const char*>(&nanoseconds), sizeof nanoseconds);
  }

  std::map<std::string, std::string> Environment() const {
    return {{"LD_PRELOAD", library_}, {"FAKE_CLOCK_WALL", file_}};
  }

 private:
  const std::string file_;
  const std::string library_;
};

class WallClocks : public Scenario {
 protected:
  // One clock for Postgres, one for a coordinator, and one for a pod that it hosts; the others keep
  // the machine's.
  void Start() {
    char directory[] = "/tmp/vigil-clocks-XXXXXX";
    ASSERT_NE(mkdtemp(directory), nullptr);
    directory_ = directory;
    fs::permissions(directory_, fs::perms(0755));  // Postgres runs as somebody else
    fs::copy(VIGIL_FAKE_CLOCK, directory_);
    const std::string library = directory_ + "/" + fs::path(VIGIL_FAKE_CLOCK).filename().string();
    for (const char* name : {"/postgres", "/coordinator", "/pod"}) {
      clocks_.emplace_back(directory_ + name, library);
    }
    ASSERT_NO_FATAL_FAILURE(StartPostgres(clocks_[0]));
    VigilCluster::Options options;
    options.machine = [this](int place) {
      return place == 0 ? Machine{.environment = clocks_[1].Environment()} : Machine{};
    };
    if (!InFull()) options.settings = {"--trust-window", "2s"};
    ASSERT_NO_FATAL_FAILURE(StartClusterOn(*postgres_, options));
    turned_ = &StartPod("turned", 0, {.environment = clocks_[2].Environment()});
    right_ = &StartPod("right", 1, {});
  }

  void TearDown() override {
    Scenario::TearDown();
    StopCluster();
    postgres_.reset();
    if (!directory_.empty()) fs::remove_all(directory_);
  }

  // Turns the three, and waits until each of them is seen to be turned.
  void TurnAll(int64_t by) {
    for (const WallClock& clock : clocks_) clock.Turn(by);
    const auto turned = [this, by](int64_t second) {
      return std::abs(second - RightSecond() - by) < kAbout;
    };
    EXPECT_TRUE(turned_->process().AwaitLine(
        [&](const Process::Line& line) { return turned(SecondTold(line)); }, kPatience));
    EXPECT_TRUE(Database().AwaitWallClock(turned, kPatience));
    const std::string name = "seen-" + std::to_string(by);
    ReportingProcess& seen = Play({.addresses = {cluster().address(0)}, .name = name});
    Expect(seen, "ready");
    const auto line = cluster().coordinator(0).AwaitLine(
        [&](const Process::Line& candidate) {
          return candidate.text.find("Registered. pod=default/" + name) != std::string::npos;
        },
        kPatience);
    ASSERT_TRUE(line);
    EXPECT_TRUE(turned(SecondOf(*line))) << line->text;
    seen.process().Signal(SIGTERM);
    ExpectEvent("left", Of(client::EventKind::kPodLeft, name));
  }

  ReportingProcess* turned_ = nullptr;
  ReportingProcess* right_ = nullptr;

 private:
  void StartPostgres(const WallClock& clock) {
    const auto environment = clock.Environment();
    for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
    auto postgres = pg::PrivateCluster::Start({.fsync = false});
    for (const auto& [name, value] : environment) unsetenv(name.c_str());
    ASSERT_TRUE(postgres) << postgres.error().message;
    postgres_ = std::move(*postgres);
  }

  ReportingProcess& StartPod(const std::string& name, int first, Machine machine) {
    ReportingProcess& pod = Run({.pod = name,
                                 .work = name + "-item",
                                 .profile = "strict",
                                 .lease = "2s",
                                 .command = kTelling,
                                 .first = first,
                                 .machine = std::move(machine)});
    Expect(pod, "running");
    return pod;
  }

  // What a clock shows that nobody turned.
  int64_t RightSecond() {
    const auto lines = right_->process().Lines();
    for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
      if (const int64_t second = SecondTold(*line); second != 0) return second;
    }
    return 0;
  }

  std::string directory_;
  std::vector<WallClock> clocks_;
  std::unique_ptr<pg::PrivateCluster> postgres_;
};

// P7, P9: no wall clock takes part in any decision.
TEST_F(WallClocks, WallClocksJump_NothingHappens) {
  ASSERT_NO_FATAL_FAILURE(Start());
  const auto living = Living();

  for (const int64_t by : {kHour, -kHour, int64_t{0}}) {
    SCOPED_TRACE(by);
    ASSERT_NO_FATAL_FAILURE(TurnAll(by));
    // Longer than a lease, so that whoever stopped renewing his would be missed.
    EXPECT_FALSE(log().Await(Of(client::EventKind::kPodDied),
                             FullOr<Duration>(seconds(20), kLease * 5 / 4)));
  }

  ExpectNone("deaths", log().Count(Of(client::EventKind::kPodDied)));
  // Postgres counts idle_session_timeout on its wall clock, and ends sessions that were not idle
  // when that jumps. Their locks are taken again at once, and what was suspected in between is
  // refuted.
  ExpectNone("suspicions that stand", log().Count(Of(client::EventKind::kPodSuspected)) -
                                          log().Count(Of(client::EventKind::kPodRefuted)));
  ExpectNone("moves", log().Count(Of(client::EventKind::kPodMoved)));
  ExpectNone("LOST", turned_->Reports("lost").size() + right_->Reports("lost").size());
  EXPECT_EQ(Living(), living);
}

}  // namespace
}  // namespace vigil
