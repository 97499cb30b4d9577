// Pauses, suspended machines, and clocks that are set or go wrong.
#include <sys/stat.h>

#include <fstream>

#include "client/lease_keeper_fixture.h"
#include "client/run_fixture.h"
#include "clock_watch.h"

namespace vigil::client {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

// --- The rules, under a simulated clock

class PauseRules : public LeaseKeeperTest {
 protected:
  // Nothing ran until so long after the beginning.
  void SleepTo(Duration when) { now_ = Start() + when; }
};

TEST_F(PauseRules, Pause_IsToldOnceWithItsLength) {
  BeHosted();
  SleepTo(milliseconds(2210));  // a heartbeat was due at 1010
  keeper_->OnTimer(now_);
  EXPECT_EQ(keeper_->TakePause(), milliseconds(1200));
  EXPECT_EQ(keeper_->TakePause(), std::nullopt);
  keeper_->OnTimer(now_);
  EXPECT_EQ(keeper_->TakePause(), std::nullopt);
}

TEST_F(PauseRules, Pause_UpToAThirdOfTheLeaseIsNone) {
  BeHosted();
  SleepTo(milliseconds(2010));
  keeper_->OnTimer(now_);
  EXPECT_EQ(keeper_->TakePause(), std::nullopt);
}

TEST_F(PauseRules, Pause_IsToldByWhateverComesFirstAfterIt) {
  BeHosted();
  RunTo(milliseconds(1010));
  SleepTo(milliseconds(3200));  // the next was due at 2010
  Answer();
  EXPECT_EQ(keeper_->TakePause(), milliseconds(1190));
  keeper_->OnTimer(now_);
  EXPECT_EQ(keeper_->TakePause(), std::nullopt);
}

// P7
TEST_F(PauseRules, Pause_BeyondTheLeaseIsLostWhateverIsReadAfterIt) {
  BeHosted();
  RunTo(milliseconds(1010));
  SleepTo(seconds(9));
  Answer();
  EXPECT_EQ(keeper_->state(), SelfState::kLost);
  EXPECT_EQ(keeper_->TakePause(), milliseconds(6990));
  EXPECT_THAT(keeper_->why()->message, ::testing::HasSubstr("the process was paused for 6990 ms"));
}

// P7: an answer from before the pause grants what is left of its lease, counted from when it was
// asked for.
TEST_F(PauseRules, Pause_AnAnswerFromBeforeItGrantsNoMoreThanItDid) {
  BeHosted();
  RunTo(milliseconds(1010));
  SleepTo(milliseconds(2400));
  Answer();
  EXPECT_EQ(Elapsed(*keeper_->lease_until()), milliseconds(4010));
}

TEST_F(PauseRules, Pause_SilenceInItIsNotTheCoordinators) {
  BeHosted();
  RunTo(milliseconds(1010));
  const auto unanswered = Take<action::Heartbeat>();
  SleepTo(milliseconds(2450));  // an answer was due at 2010, and may have come
  keeper_->OnTimer(now_);
  EXPECT_EQ(keeper_->state(), SelfState::kAlive);
  EXPECT_EQ(Count<action::Open>(), 0U);
  EXPECT_EQ(Count<action::Heartbeat>(), 1U);  // the next one goes out at once
  keeper_->OnHeartbeatAnswer(unanswered.stream, now_, unanswered.number, {true});
  EXPECT_EQ(keeper_->state(), SelfState::kAlive);
}

TEST_F(PauseRules, Pause_SilenceAfterItIs) {
  BeHosted();
  RunTo(milliseconds(1010));
  SleepTo(milliseconds(2450));
  keeper_->OnTimer(now_);
  Answer();
  RunTo(milliseconds(4500));  // the heartbeat of 3450 is not answered
  EXPECT_EQ(keeper_->state(), SelfState::kSuspended);
  EXPECT_EQ(Count<action::Open>(), 1U);
}

TEST_F(PauseRules, Pause_IsNotTheApplicationsSilence) {
  watchdog_ = milliseconds(700);
  BeHosted();
  RunTo(milliseconds(500));
  SleepTo(milliseconds(1800));
  keeper_->OnTimer(now_);
  EXPECT_EQ(keeper_->state(), SelfState::kAlive);
  Answer();
  RunTo(milliseconds(2499));
  EXPECT_EQ(keeper_->state(), SelfState::kAlive);
  RunTo(milliseconds(2500));
  EXPECT_EQ(keeper_->why()->reason, Reason::kWatchdogStarved);
}

// --- Clocks beside each other

class ClockWatchTest : public ::testing::Test {
 protected:
  ClockWatch::Change After(Duration boot, Duration monotonic, Duration wall) {
    now_ = {now_.boot + boot, now_.monotonic + monotonic, now_.wall + wall};
    return watch_.Look(now_);
  }

  ClockReadings now_{Time(seconds(1000)), seconds(900), hours(400'000)};
  ClockWatch watch_{now_};
};

TEST_F(ClockWatchTest, Together_NothingHappened) {
  const auto change =
      After(seconds(20), seconds(20) - milliseconds(9), seconds(20) + milliseconds(10));
  EXPECT_EQ(change.suspended, Duration::zero());
  EXPECT_EQ(change.wall_jump, Duration::zero());
}

TEST_F(ClockWatchTest, Suspended_IsWhatMonotonicTimeMissed) {
  const auto change = After(seconds(70), seconds(10), seconds(70));
  EXPECT_EQ(change.suspended, seconds(60));
  EXPECT_EQ(change.wall_jump, Duration::zero());
  EXPECT_EQ(After(seconds(1), seconds(1), seconds(1)).suspended, Duration::zero());
}

TEST_F(ClockWatchTest, WallClock_SetForwardAndBack) {
  EXPECT_EQ(After(seconds(1), seconds(1), hours(1) + seconds(1)).wall_jump, hours(1));
  EXPECT_EQ(After(seconds(1), seconds(1), seconds(1) - hours(2)).wall_jump, -hours(2));
  EXPECT_EQ(After(seconds(1), seconds(1), seconds(1)).wall_jump, Duration::zero());
}

TEST(ClockReadingsTest, AreOfOneMoment) {
  ClockWatch watch(ReadClocks());
  for (int i = 0; i < 1000; ++i) {
    const auto change = watch.Look(ReadClocks());
    EXPECT_EQ(change.suspended, Duration::zero());
    EXPECT_EQ(change.wall_jump, Duration::zero());
  }
}

// --- Real processes

class PausedProcess : public RunTest {
 protected:
  // A pod that asks whether it lives, all the time.
  void Ask() {
    auto spawned = Process::Spawn({.command = {*FindBuilt("vigil_pausing_pod"), a_.address()}});
    ASSERT_TRUE(spawned) << spawned.error().message;
    pod_ = std::move(*spawned);
    ASSERT_TRUE(AwaitLine("registered"));
    ASSERT_TRUE(cluster_.Await([&] { return a_.Count("heartbeat") >= 2; }));
  }

  bool AwaitLine(const std::string& begin) {
    return pod_
        ->AwaitLine([&](const auto& line) { return line.text.starts_with(begin); }, kPatience)
        .has_value();
  }

  void PauseFor(Process& process, Duration length) {
    const Time begin = BootClock::now();
    process.Signal(SIGSTOP);
    ASSERT_TRUE(cluster_.Await([&] { return BootClock::now() - begin >= length; }));
    process.Signal(SIGCONT);
  }

  std::unique_ptr<Process> pod_;
};

// P7: the very first answer, however the process's threads are woken.
TEST_F(PausedProcess, FirstAnswer_AfterAPauseBeyondTheLeaseIsLost) {
  Ask();
  PauseFor(*pod_, milliseconds(2500));  // of a lease of 2.4 s
  EXPECT_EQ(pod_->AwaitEnd(kPatience), 0);
  const auto lines = pod_->Lines();
  ASSERT_EQ(lines.size(), 2U) << pod_->Transcript();
  EXPECT_EQ(lines.back().text, "lost");
}

TEST_F(PausedProcess, FirstAnswer_AfterAShorterPauseIsAliveAndItLivesOn) {
  Ask();
  PauseFor(*pod_, milliseconds(900));
  EXPECT_TRUE(AwaitLine("woke "));
  EXPECT_TRUE(pod_->Lines().back().text.ends_with(" alive")) << pod_->Transcript();
  EXPECT_TRUE(AwaitHeartbeats(3));
  EXPECT_TRUE(pod_->running());
}

TEST_F(PausedProcess, Run_SaysThePauseAndThenLost) {
  BeUp(kEndless);
  PauseFor(run_->process(), milliseconds(3000));
  EXPECT_EQ(AwaitExit(), kRunLost);
  const auto paused = AwaitReport("paused");
  ASSERT_TRUE(paused) << run_->process().Transcript();
  EXPECT_GE(paused->Number("paused_ms"), 3000U - 800U);  // a heartbeat was due within 800 ms
  EXPECT_LT(paused->At(), AwaitReport("lost")->At());
  EXPECT_EQ(paused->Number("suspended_ms"), 0U);
}

class WrongClocks : public RunTest {
 protected:
  void TearDown() override {
    for (const std::string& file : {wall_, slept_}) unlink(file.c_str());
  }

  // `vigil run` on a machine whose clocks go wrong.
  void BeUpWith(const std::string& script, std::map<std::string, std::string> clocks) {
    clocks.emplace("LD_PRELOAD", VIGIL_FAKE_CLOCK);
    BeUp(script, {}, std::move(clocks));
  }

  // Files with the numbers that change a clock while the program runs.
  std::map<std::string, std::string> Clocks() const {
    Write(wall_, Duration::zero());
    Write(slept_, Duration::zero());
    return {{"FAKE_CLOCK_WALL", wall_}, {"FAKE_CLOCK_SLEPT", slept_}};
  }
  void SetWallClock(Duration offset) const { Write(wall_, offset); }
  void SleepFor(Duration length) const { Write(slept_, length); }

  static void Write(const std::string& path, Duration offset) {
    std::ofstream create(path, std::ios::app);
    std::ofstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    const std::int64_t ns = offset.count();
    file.write(reinterpret_cast<const char*>(&ns), sizeof ns);
  }

  void ExpectUndisturbed() {
    ExpectNoReport({"suspended", "lost", "paused", "trouble"});
    EXPECT_EQ(a_.Count("register"), 1);
    EXPECT_EQ(a_.Count("resume"), 0);
  }

  void StopInOrder() {
    run_->process().Signal(SIGTERM);
    EXPECT_EQ(AwaitExit(), kRunSignalled + SIGTERM);
  }

  const std::string wall_ = TemporaryPath("wall");
  const std::string slept_ = TemporaryPath("slept");
};

TEST_F(WrongClocks, WallClock_SetByAnHourEitherWayChangesNothing) {
  BeUpWith(kEndless, Clocks());
  for (const Duration offset : {Duration(hours(1)), Duration(-hours(1)), Duration::zero()}) {
    SetWallClock(offset);
    ASSERT_TRUE(AwaitHeartbeats(4));  // more than a lease
  }
  ExpectUndisturbed();
  const auto jumps = run_->Reports("wall_clock_jumped");
  ASSERT_EQ(jumps.size(), 3U) << run_->process().Transcript();
  const std::vector<seconds> expected = {hours(1), -hours(2), hours(1)};
  for (std::size_t i = 0; i < jumps.size(); ++i) {
    const auto by = milliseconds(jumps[i].fields.at("by_ms").get<std::int64_t>());
    EXPECT_LT(std::chrono::abs(by - expected[i]), milliseconds(100)) << i;
  }
  StopInOrder();
}

// P7: the lease ends while the machine sleeps, and whoever looks first finds it.
TEST_F(WrongClocks, Machine_ThatSleptBeyondTheLeaseFindsThePodLost) {
  BeUpWith(kDeaf, Clocks());
  SleepFor(hours(1));
  EXPECT_EQ(AwaitExit(), kRunLost);
  EXPECT_EQ(AwaitReport("exited")->Number("code"), 128U + SIGKILL);
  const auto paused = AwaitReport("paused");
  ASSERT_TRUE(paused) << run_->process().Transcript();
  EXPECT_GT(paused->Number("suspended_ms"), 3'599'000U);
  EXPECT_LT(paused->Number("suspended_ms"), 3'601'000U);
  EXPECT_GE(paused->Number("paused_ms"), 3'599'000U);
  EXPECT_TRUE(run_->Reports("wall_clock_jumped").empty());  // it went on, as it should
}

TEST_F(WrongClocks, Machine_ThatSleptForLessGoesOn) {
  BeUpWith(kEndless, Clocks());
  ASSERT_TRUE(AwaitHeartbeats(1));
  SleepFor(milliseconds(500));  // of the 2 s that the pod may believe itself alive
  ASSERT_TRUE(AwaitHeartbeats(4));
  ExpectNoReport({"lost", "wall_clock_jumped"});
  StopInOrder();
}

TEST_F(WrongClocks, Rate_HalfAPercentOrTenOffEitherWayLosesNoLeaseThatIsRenewed) {
  std::vector<std::unique_ptr<ReportingProcess>> pods;
  for (const char* rate : {"1.005", "0.995", "1.10", "0.90"}) {
    RunScript(kEndless, {}, {{"LD_PRELOAD", VIGIL_FAKE_CLOCK}, {"FAKE_CLOCK_RATE", rate}});
    ASSERT_TRUE(AwaitReport("registered")) << run_->process().Transcript();
    pods.push_back(std::move(run_));
  }
  ASSERT_TRUE(AwaitHeartbeats(4 * 5));  // more than a lease for each
  for (auto& pod : pods) {
    run_ = std::move(pod);
    ExpectNoReport({"suspended", "lost", "paused"});
    StopInOrder();
  }
  EXPECT_EQ(a_.Count("register"), 4);
  EXPECT_EQ(a_.Count("resume"), 0);
}

// P7: a clock that is slower than the bound for which the coordinators are set (1 %) may overrun
// its lease, as far as the stop margin does not cover it. The fence is what refuses it then.
TEST_F(WrongClocks, Rate_BeyondTheBoundTheFenceHolds) {  // P5
  cluster_.terms.mutable_lease()->set_seconds(10);
  cluster_.terms.mutable_heartbeat_interval()->set_seconds(3);
  cluster_.terms.mutable_stop_margin()->set_nanos(500'000'000);
  // Nor does any event tell it.
  a_.Change([](auto& script) {
    script.subscribe = [](const auto&, auto&, auto&) {
      return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the log is not read");
    };
  });
  const std::string completes_when_told =
      "echo up; read line < \"$GATE\"; echo completing; exec " VIGIL_COMMAND
      " work complete \"$VIGIL_WORK_KEY\" --fence \"$VIGIL_FENCE\"";
  const std::string gate = TemporaryPath("gate");
  ASSERT_EQ(mkfifo(gate.c_str(), 0600), 0);
  BeUpWith(completes_when_told, {{"FAKE_CLOCK_RATE", "0.90"}, {"GATE", gate}});
  const std::uint64_t own = Own();
  // By the true clock the lease is over: others are told of its death, and have its work.
  cluster_.End(own, v1::POD_STATE_DEAD);
  v1::ClaimWorkRequest claim;
  claim.set_key("k");
  claim.set_incarnation(RegisterAnother());
  claim.set_expected_owner(own);
  claim.set_expected_fence(1);
  v1::ClaimWorkResponse claimed;
  ASSERT_TRUE(cluster_.Claim(claim, claimed).ok());
  std::ofstream(gate) << "go\n";
  EXPECT_TRUE(AwaitOutput("completing"));
  EXPECT_EQ(AwaitExit(), 4) << run_->process().Transcript();  // the command's: refused
  unlink(gate.c_str());
  const auto item = cluster_.FindItem("k");
  EXPECT_EQ(item->state(), v1::WORK_STATE_OWNED);
  EXPECT_EQ(item->owner(), claim.incarnation());
}

}  // namespace
}  // namespace vigil::client
