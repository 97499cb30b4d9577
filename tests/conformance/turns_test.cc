// One coordinator probes for all: whose turn it is, and what the others see.
#include "conformance/store_test.h"

namespace vigil {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;

class TurnTest : public StoreTest {
 protected:
  static constexpr Duration kInterval = std::chrono::minutes(10);

  // Whether it had the turn; it is a probe like any other.
  bool HasTurn(Host& host) {
    const ProbeReport report = Must(store().Probe(host.observer(), kInterval));
    EXPECT_LE(report.next_turn, kInterval);
    EXPECT_GT(report.next_turn, kInterval - std::chrono::minutes(5));
    return report.of_all;
  }
};

VIGIL_FOR_EVERY_STORE(TurnTest);

TEST_P(TurnTest, Turn_IsHadOnceInAnIntervalWhoeverHasIt) {
  Host one = AddHost();
  Host other = AddHost();
  EXPECT_TRUE(HasTurn(one)) << "nobody ever had it";
  EXPECT_FALSE(HasTurn(other));
  EXPECT_FALSE(HasTurn(one));
  world().Age(kInterval + std::chrono::seconds(1));
  EXPECT_TRUE(HasTurn(other));
  EXPECT_FALSE(HasTurn(one));
}

TEST_P(TurnTest, Turn_FindsForAllWhatIsFreeAndWhatThereIs) {
  Host one = AddHost();
  Host other = AddHost();
  Register(one, "held");
  Pod free = RegisterFree(one, "free");
  const ProbeReport found = Must(store().Probe(one.observer(), kInterval));
  EXPECT_THAT(found.free_pods, ElementsAre(Field(&FreePod::pod, HostedAs(free))));

  RegisterFree(other, "later");
  const ProbeReport report = Must(store().Probe(other.observer(), kInterval));

  EXPECT_FALSE(report.of_all);
  EXPECT_THAT(report.free_pods, IsEmpty()) << "what nobody suspects is found in a turn";
  EXPECT_EQ(report.living, found.living);
  EXPECT_GT(report.locks.in_use, 0U);
  EXPECT_EQ(report.locks.in_use, found.locks.in_use);
}

// P11: a table that fills up is noticed in the next turn.
TEST_P(TurnTest, Turn_CountsTheLockTableWhenPodsCameOrWent) {
  Host one = AddHost();
  Host other = AddHost();
  ASSERT_TRUE(HasTurn(one));
  Register(one, "cart");
  world().Age(kInterval + std::chrono::seconds(1));
  const ProbeReport counted = Must(store().Probe(one.observer(), kInterval));
  EXPECT_TRUE(counted.locks_counted);
  EXPECT_GT(counted.locks.in_use, 0U);
  const ProbeReport heard = Must(store().Probe(other.observer(), kInterval));
  EXPECT_FALSE(heard.locks_counted);
  EXPECT_EQ(heard.locks.in_use, counted.locks.in_use);
}

// P2: whoever raised a suspicion may be lost; P10: and what refutes it is seen by all.
TEST_P(TurnTest, Turn_NobodyNeedsItToSeeWhatStands) {
  Host one = AddHost();
  Host other = AddHost();
  Host lost = AddHost();
  Pod pod = RegisterFree(one, "cart");
  ASSERT_TRUE(HasTurn(one));
  SuspicionNumber suspicion = SuspectFree(one, pod);
  lost.session.reset();

  EXPECT_TRUE(world().TurnUntil([&] {
    const ProbeReport report = Must(store().Probe(other.observer(), kInterval));
    EXPECT_FALSE(report.of_all);
    EXPECT_EQ(report.suspect, 1U);
    EXPECT_THAT(report.free_pods, ElementsAre(Field(&FreePod::suspicion, suspicion)));
    return report.free_coordinators.size() == 1;
  }));

  ASSERT_TRUE(TakeSession(one, pod.session));
  const ProbeReport held = Must(store().Probe(other.observer(), kInterval));
  EXPECT_THAT(held.free_pods, IsEmpty());
  EXPECT_EQ(held.suspect, 1U) << "nobody has refuted it yet";
}

// P2: a wall clock that is set back does not stop the probes.
TEST_P(TurnTest, Turn_IsDueWhenItWasTakenInTheFuture) {
  Host host = AddHost();
  ASSERT_TRUE(HasTurn(host));
  world().Age(-std::chrono::hours(24));
  EXPECT_TRUE(HasTurn(host));
  EXPECT_FALSE(HasTurn(host)) << "and paces them again";
}

// P2: whoever is at it may be frozen, and the wall clock may never come to the next.
TEST_P(TurnTest, Turn_ThatStoodStillIsNotWaitedFor) {
  Host one = AddHost();
  Host other = AddHost();
  const WallMicros before = Must(store().Probe(one.observer(), kInterval)).turn;
  EXPECT_EQ(Must(store().Probe(other.observer(), kInterval)).turn, before);
  Pod free = RegisterFree(one, "free");

  const ProbeReport report = Must(store().Probe(other.observer(), kInterval, before));
  EXPECT_TRUE(report.of_all);
  EXPECT_THAT(report.free_pods, ElementsAre(Field(&FreePod::pod, HostedAs(free))));
  EXPECT_NE(report.turn, before);
  EXPECT_FALSE(Must(store().Probe(one.observer(), kInterval, before)).of_all)
      << "there was another";
}

// P10: whoever is not fit to observe takes no turn from those who are, when there is something to
// find.
TEST_P(TurnTest, Turn_UnfitObserversDoNotTakeIt) {
  Host host = AddHost();
  Host unfit = AddHost();
  RegisterFree(host, "cart");
  ReleaseLock(unfit, {LockKind::kCoordinator, unfit.number.value});
  EXPECT_EQ(ReasonOf(store().Probe(unfit.observer(), kInterval)), reason::kCoordinatorUntrusted);
  EXPECT_TRUE(HasTurn(host));
}

}  // namespace
}  // namespace vigil
