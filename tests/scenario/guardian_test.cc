// `vigil run` freezes or dies alone, and its command does not outlive it.
#include <csignal>

#include "measured.h"
#include "scenario.h"

namespace vigil {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kLease = seconds(2);
// How long the kernel and the watcher may take to take the command down with its guardian.
constexpr auto kTakenDown = milliseconds(100);

class GuardianEnds : public Scenario {
 protected:
  struct Guarded {
    ReportingProcess* guardian = nullptr;
    pid_t command = 0;
    pid_t grandchild = 0;
  };

  void StartGuarded() {
    ASSERT_NO_FATAL_FAILURE(StartCluster({.coordinators = 1}));
    for (int i = 0; i < FullOr(20, 5); ++i) {
      const std::string name = "pod-" + std::to_string(i);
      guarded_.push_back({.guardian = &Run({.pod = name,
                                            .work = name,
                                            .profile = "strict",
                                            .lease = "2s",
                                            .command = WithAChild()})});
    }
    for (Guarded& one : guarded_) {
      one.command = ExpectRunning(*one.guardian);
      one.grandchild = ExpectChildOfCommand(*one.guardian);
      ASSERT_NE(one.grandchild, 0);
    }
  }

  // The command and what it has started are gone this soon after.
  void ExpectGone(const Guarded& one, Instant since, Duration bound) {
    EXPECT_TRUE(AwaitGone(one.command, kPatience));
    EXPECT_TRUE(AwaitGone(one.grandchild, kPatience));
    ExpectWithin("the command and its children are gone", Now() - since, bound);
  }

  std::vector<Guarded> guarded_;
};

// P7: the last lease was granted before, so it ends within its length.
TEST_F(GuardianEnds, GuardianFrozen_ItsCommandDoesNotOutliveTheLease) {
  ASSERT_NO_FATAL_FAILURE(StartGuarded());
  const Instant frozen = Now();
  for (const Guarded& one : guarded_) one.guardian->process().Signal(SIGSTOP);
  for (const Guarded& one : guarded_) ExpectGone(one, frozen, kLease);
}

TEST_F(GuardianEnds, GuardianKilled_ItsCommandDoesNotOutliveIt) {
  ASSERT_NO_FATAL_FAILURE(StartGuarded());
  for (const Guarded& one : guarded_) {
    const Instant killed = Now();
    one.guardian->process().Signal(SIGKILL);
    ExpectGone(one, killed, kTakenDown);
  }
}

}  // namespace
}  // namespace vigil
