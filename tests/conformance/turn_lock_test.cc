// The row of the turn to probe, when somebody has locked it or it is gone.
#include "conformance/lock_race_test.h"

namespace vigil {
namespace {

using std::chrono::minutes;

class TurnLockTest : public LockRaceTest {
 protected:
  TurnLockTest() {
    EXPECT_TRUE(store_.AddCoordinator(observer_.number, "a:1", std::chrono::seconds(15)));
  }

  ProbeReport Probe(Duration interval, WallMicros stood_still = {}) {
    auto report = store_.Probe(observer_, interval, stood_still);
    EXPECT_TRUE(report) << report.error().message;
    return report.value_or(ProbeReport());
  }

  const Observer observer_{.number = CoordinatorNumber{1}};
};

// P2: Postgres keeps the lock of a client that is frozen before it has read its answer.
TEST_F(TurnLockTest, Turn_HeldByAFrozenClientIsNotWaitedFor) {
  const ProbeReport before = Probe(minutes(10));
  ASSERT_TRUE(before.of_all);
  const auto frozen = Hold("SELECT FROM vigil.last_probe FOR UPDATE");

  EXPECT_FALSE(Probe(Duration::zero()).of_all) << "somebody is at it";
  EXPECT_TRUE(Probe(Duration::zero(), before.turn).of_all);
}

// P2
TEST_F(TurnLockTest, Turn_WithoutItsRowIsEverybodys) {
  Run("DELETE FROM vigil.last_probe");
  EXPECT_TRUE(Probe(minutes(10)).of_all);
  EXPECT_TRUE(Probe(minutes(10)).of_all);
}

}  // namespace
}  // namespace vigil
