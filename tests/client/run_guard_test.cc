// What becomes of the command when its guardian cannot guard it any more: it outlives neither the
// lease nor the guardian.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <iostream>

#include "client/run_fixture.h"

namespace vigil::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Of the scripted cluster.
constexpr auto kLease = milliseconds(2400);
// Between the guardian's SIGKILL and the end of the last of its command's group.
constexpr auto kTakenDown = milliseconds(100);

class GuardTest : public RunTest {
 protected:
  // A command that is deaf, with a child that is deaf, too.
  void BeUpWithAChild() {
    RunScript(
        "trap '' TERM INT HUP; (trap '' TERM INT HUP; while :; do sleep 1; done) & echo \"child "
        "$!\"; "
        "echo up; while :; do sleep 1; done");
    const auto line = run_->process().AwaitLine(
        [](const auto& candidate) { return candidate.text.starts_with("child "); }, kPatience);
    ASSERT_TRUE(line) << run_->process().Transcript();
    child_ = std::stoi(line->text.substr(line->text.find(' ')));
    ASSERT_TRUE(AwaitOutput("up"));
    command_ = static_cast<pid_t>(AwaitReport("running")->Number("pid"));
  }

  bool AwaitBothGone(Duration within) {
    const Time deadline = BootClock::now() + within;
    return AwaitGone(command_, within) && AwaitGone(child_, deadline - BootClock::now());
  }

  // The watcher, once it bears its name; another one than this.
  pid_t AwaitWatcher(pid_t other_than = 0) const {
    pid_t watcher = 0;
    cluster_.Await([&] {
      watcher = ChildNamed("vigil-watcher");
      return watcher > 0 && watcher != other_than;
    });
    return watcher;
  }

  // Until another one is said to have its place.
  void KillWatcher() {
    killed_watcher_ = AwaitWatcher();
    ASSERT_GT(killed_watcher_, 0);
    ASSERT_EQ(kill(killed_watcher_, SIGKILL), 0);
    ASSERT_TRUE(AwaitReport("watcher_replaced")) << run_->process().Transcript();
  }

  // The child of the guardian that bears this name.
  pid_t ChildNamed(const std::string& name) const {
    const std::string guardian = std::to_string(run_->process().pid());
    std::ifstream children("/proc/" + guardian + "/task/" + guardian + "/children");
    for (pid_t child = 0; children >> child;) {
      std::ifstream file("/proc/" + std::to_string(child) + "/comm");
      std::string comm;
      if (std::getline(file, comm) && comm == name) return child;
    }
    return 0;
  }

  pid_t command_ = 0;
  pid_t child_ = 0;
  pid_t killed_watcher_ = 0;
};

// P7: the guardian is stopped, and its watcher is in time.
TEST_F(GuardTest, GuardianStopped_TheWholeGroupIsGoneBeforeTheLeaseEnds) {
  BeUpWithAChild();
  const Time stopped = BootClock::now();
  run_->process().Signal(SIGSTOP);
  // The last lease counts from a heartbeat that was sent before.
  EXPECT_TRUE(AwaitBothGone(kLease));
  std::cout << "guardian stopped: gone after " << (BootClock::now() - stopped) / milliseconds(1)
            << " ms of a lease of " << kLease.count() << " ms\n";
  run_->process().Signal(SIGCONT);
  EXPECT_EQ(AwaitExit(), kRunLost);
}

// As a terminal or a supervisor does it: the watcher is not in that group.
TEST_F(GuardTest, GuardiansGroupStopped_TheWholeGroupIsGoneBeforeTheLeaseEnds) {
  BeUpWithAChild();
  ASSERT_EQ(kill(-run_->process().pid(), SIGSTOP), 0);
  ASSERT_EQ(kill(-command_, SIGSTOP), 0);
  EXPECT_TRUE(AwaitBothGone(kLease));
  run_->process().Signal(SIGCONT);
  EXPECT_EQ(AwaitExit(), kRunLost);
}

TEST_F(GuardTest, GuardianKilled_TheWholeGroupIsGoneAtOnce) {
  Duration longest{};
  for (int round = 0; round < 10; ++round) {
    BeUpWithAChild();
    const Time killed = BootClock::now();
    run_->process().Signal(SIGKILL);
    EXPECT_TRUE(AwaitBothGone(kTakenDown)) << "round " << round;
    longest = std::max<Duration>(longest, BootClock::now() - killed);
    cluster_.End(Own(), v1::POD_STATE_DEAD);  // so that the next one may have the item
  }
  std::cout << "guardian killed: gone after at most " << longest / std::chrono::microseconds(1)
            << " us\n";
}

// A watcher that was killed is replaced, and its successor watches as well.
TEST_F(GuardTest, WatcherKilled_AnotherOneTakesItsPlace) {
  BeUpWithAChild();
  KillWatcher();
  const pid_t second = AwaitWatcher(killed_watcher_);
  ASSERT_GT(second, 0);
  EXPECT_NE(second, killed_watcher_);
  run_->process().Signal(SIGKILL);
  EXPECT_TRUE(AwaitBothGone(kTakenDown));
}

TEST_F(GuardTest, WatcherKilled_TheLeaseStillBoundsTheCommandOfAStoppedGuardian) {  // P7
  BeUpWithAChild();
  KillWatcher();
  run_->process().Signal(SIGSTOP);
  EXPECT_TRUE(AwaitBothGone(kLease));
  run_->process().Signal(SIGCONT);
  EXPECT_EQ(AwaitExit(), kRunLost);
}

// Nobody reads what the guardian says, so that its main thread hangs in the middle of a word, while
// the library's threads would keep the pod alive for ever.
TEST_F(GuardTest, GuardianHung_ThePodIsGivenUp) {
  const std::string fifo = TemporaryPath("unread");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const int full = open(fifo.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(full, 0);
  const std::string page(4096, ' ');
  while (write(full, page.data(), page.size()) > 0) {
  }
  auto spawned = Process::Spawn(
      {.command = {"/bin/sh", "-c", "exec \"$0\" \"$@\" 2>\"$UNREAD\"", VIGIL_COMMAND, "--address",
                   addresses_, "run", "--pod", "web-1", "--work", "k", "--", "/bin/true"},
       .environment = {{"UNREAD", fifo}}});
  ASSERT_TRUE(spawned) << spawned.error().message;
  ASSERT_TRUE(cluster_.Await([&] { return a_.Count("heartbeat") >= 2; }));
  EXPECT_EQ(a_.Count("stream_broken"), 0);
  EXPECT_TRUE(cluster_.Await([&] { return a_.Count("stream_broken") == 1; }));
  close(full);
  unlink(fifo.c_str());
}

}  // namespace
}  // namespace vigil::client
