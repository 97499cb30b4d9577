// `vigil run --watchdog`: a command that hangs loses its work, and nobody has it too early.
#include "client/run_fixture.h"

namespace vigil::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class RunWatchdogTest : public RunTest {
 protected:
  // A program that can feed: `feed()` sends as sd_notify does.
  void RunProgram(const std::string& body, std::vector<std::string> options,
                  std::map<std::string, std::string> environment = {}) {
    const std::string program =
        "import os, socket, sys, time, signal\n"
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "s.connect(os.environ['NOTIFY_SOCKET'].replace('@', '\\0', 1))\n"
        "def feed(text='WATCHDOG=1'): s.send(text.encode())\n" +
        body;
    options.insert(options.end(), {"--", "/usr/bin/python3", "-c", program});
    Run(std::move(options), std::move(environment));
  }

  // Feeds 20 times in 2 s, says "fed", and hangs in a loop that no signal but SIGKILL ends.
  static constexpr const char* kFeedsAndHangs =
      "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
      "for i in range(20):\n"
      "  feed()\n"
      "  time.sleep(0.1)\n"
      "feed()\n"
      "print('fed', flush=True)\n"
      "while True: pass\n";
};

TEST_F(RunWatchdogTest, Hung_TheCommandIsKilledAndThePodLeavesWhenItIsGone) {
  RunProgram(kFeedsAndHangs, {"--watchdog", "900ms"});
  ASSERT_TRUE(AwaitOutput("fed")) << run_->process().Transcript();
  EXPECT_TRUE(run_->Reports("starved").empty());
  const auto starved = AwaitReport("starved");
  ASSERT_TRUE(starved);
  EXPECT_EQ(starved->Number("watchdog_ms"), 900U);
  const auto exited = AwaitReport("exited");
  ASSERT_TRUE(exited);
  EXPECT_EQ(exited->Number("code"), 128U + SIGKILL);
  // SIGTERM, and a stop margin of 400 ms later SIGKILL.
  EXPECT_GE(exited->At() - starved->At(), milliseconds(400));
  EXPECT_LT(exited->At() - starved->At(), milliseconds(1400));
  EXPECT_EQ(AwaitExit(), kRunStarved);
  const auto left = AwaitReport("left");
  ASSERT_TRUE(left);
  EXPECT_GT(left->At(), exited->At());
  EXPECT_EQ(OwnState(), v1::POD_STATE_LEFT);
  const auto item = cluster_.FindItem("k");
  EXPECT_EQ(item->state(), v1::WORK_STATE_RELEASED);
  EXPECT_EQ(item->former_owners(0).reason(), "the command did not feed its watchdog of 900 ms");
  EXPECT_TRUE(run_->Reports("lost").empty());
}

TEST_F(RunWatchdogTest, Hung_OneThatHeedsSigtermIsGoneAtOnce) {
  RunScript(kEndless, {"--watchdog", "300ms"});
  EXPECT_EQ(AwaitExit(), kRunStarved);
  const auto starved = AwaitReport("starved");
  const auto exited = AwaitReport("exited");
  ASSERT_TRUE(starved && exited);
  EXPECT_EQ(exited->Number("code"), 128U + SIGTERM);
  EXPECT_GE(starved->At() - AwaitReport("running")->At(), milliseconds(300));
}

TEST_F(RunWatchdogTest, Hung_FeedingAgainChangesNothing) {
  RunProgram(
      "def late(*_):\n"
      "  feed()\n"
      "  print('fed late', flush=True)\n"
      "signal.signal(signal.SIGTERM, late)\n"
      "print('up', flush=True)\n"
      "while True: time.sleep(1)\n",
      {"--watchdog", "500ms"});
  EXPECT_TRUE(AwaitOutput("fed late")) << run_->process().Transcript();
  EXPECT_EQ(AwaitExit(), kRunStarved);
  EXPECT_EQ(AwaitReport("exited")->Number("code"), 128U + SIGKILL);
}

TEST_F(RunWatchdogTest, Unwell_ACommandThatSaysSoIsStoppedAtOnce) {
  RunProgram("feed('STATUS=all is lost\\nWATCHDOG=trigger\\n')\nwhile True: time.sleep(1)\n",
             {"--watchdog", "1m"});
  EXPECT_EQ(AwaitExit(), kRunStarved);
  EXPECT_TRUE(AwaitReport("starved"));
}

TEST_F(RunWatchdogTest, Fed_TheWorkIsCompleted) {
  RunProgram(
      "for i in range(15):\n"
      "  feed('READY=1\\nWATCHDOG=1')\n"
      "  time.sleep(0.1)\n",
      {"--watchdog", "1s"});
  EXPECT_EQ(AwaitExit(), 0) << run_->process().Transcript();
  EXPECT_EQ(cluster_.FindItem("k")->state(), v1::WORK_STATE_COMPLETED);
}

TEST_F(RunWatchdogTest, Stopping_TakesAsLongAsItMay) {
  RunProgram(
      "def stop(*_):\n"
      "  time.sleep(1.2)\n"
      "  print('stopped', flush=True)\n"
      "  sys.exit(0)\n"
      "signal.signal(signal.SIGTERM, stop)\n"
      "print('up', flush=True)\n"
      "while True:\n"
      "  feed()\n"
      "  time.sleep(0.1)\n",
      {"--watchdog", "600ms"});
  ASSERT_TRUE(AwaitOutput("up")) << run_->process().Transcript();
  run_->process().Signal(SIGTERM);
  EXPECT_TRUE(AwaitOutput("stopped"));
  EXPECT_EQ(AwaitExit(), kRunSignalled + SIGTERM);
  EXPECT_TRUE(run_->Reports("starved").empty());
}

TEST_F(RunWatchdogTest, Environment_IsWhatTheProtocolKnowsAndNoneOfASupervisorsOwn) {
  const std::map<std::string, std::string> supervisors = {
      {"NOTIFY_SOCKET", "/run/of/another"}, {"WATCHDOG_USEC", "7"}, {"WATCHDOG_PID", "1"}};
  // Without a watchdog, a command may feed the one that watches over `vigil run`.
  RunScript("echo \"$NOTIFY_SOCKET $WATCHDOG_USEC\"; exit 7", {}, supervisors);
  EXPECT_TRUE(AwaitOutput("/run/of/another 7")) << run_->process().Transcript();
  EXPECT_EQ(AwaitExit(), 7);
  RunScript("echo \"${NOTIFY_SOCKET%%[0-9a-f]*} $WATCHDOG_USEC ${WATCHDOG_PID:-none}\"",
            {"--watchdog", "10s"}, supervisors);
  EXPECT_TRUE(AwaitOutput("@ 10000000 none")) << run_->process().Transcript();
  EXPECT_EQ(AwaitExit(), 0);
}

// What did not run cannot have fed.
TEST_F(RunWatchdogTest, Paused_TogetherWithItsGuardianACommandIsNotTakenForHung) {
  RunProgram(
      "print('up', flush=True)\n"
      "while True:\n"
      "  feed()\n"
      "  time.sleep(0.05)\n",
      {"--watchdog", "500ms"});
  const auto running = AwaitReport("running");
  ASSERT_TRUE(running);
  ASSERT_TRUE(AwaitOutput("up")) << run_->process().Transcript();
  const auto group = static_cast<pid_t>(running->Number("pid"));
  const Time paused = BootClock::now();
  run_->process().Signal(SIGSTOP);
  ASSERT_EQ(kill(-group, SIGSTOP), 0);
  ASSERT_TRUE(cluster_.Await([&] { return BootClock::now() - paused > milliseconds(900); }));
  ASSERT_EQ(kill(-group, SIGCONT), 0);
  run_->process().Signal(SIGCONT);
  EXPECT_TRUE(AwaitHeartbeats(2));
  ExpectNoReport({"starved", "lost"});
  run_->process().Signal(SIGTERM);
  EXPECT_EQ(AwaitExit(), kRunSignalled + SIGTERM);
}

TEST_F(RunWatchdogTest, Limit_ThatNoCommandCouldKeepIsRefused) {
  RunScript("true", {"--watchdog", "99ms"});
  EXPECT_EQ(AwaitExit(), 2);
}

}  // namespace
}  // namespace vigil::client
