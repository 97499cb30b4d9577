// How coordinators prove that their commits are acknowledged, and how they are given up.
#include "conformance/store_test.h"

namespace vigil {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;

constexpr CoordinatorNumber kUnknown{999'999'999};

TEST_P(StoreTest, AddCoordinator_Repeated) {
  Host host = AddHost();
  Must(store().AddCoordinator(host.number, "127.0.0.1:7400", std::chrono::seconds(15)));
  EXPECT_THAT(TakenFrom(host), IsEmpty());
}

TEST_P(StoreTest, Renew_RefusedWhenGivenUp) {
  Host host = AddHost();
  Host lost = AddHost();
  EXPECT_THAT(TakenFrom(lost), IsEmpty());
  lost.session.reset();
  ASSERT_TRUE(world().TurnUntil(
      [&] { return !Must(store().GiveUpCoordinators(host.observer(), {lost.number})).empty(); }));

  EXPECT_EQ(ReasonOf(store().RenewCoordinator(lost.number, {})), reason::kCoordinatorUntrusted);
  EXPECT_EQ(ReasonOf(store().RenewCoordinator(host.number, {})), "OK");
}

TEST_P(StoreTest, Renew_RefusedWhenUnknown) {
  EXPECT_EQ(ReasonOf(store().RenewCoordinator(kUnknown, {})), reason::kCoordinatorUntrusted);
}

TEST_P(StoreTest, RemoveCoordinator_EndsItsRenewals) {
  Host host = AddHost();
  Host gone = AddHost();
  Must(store().RemoveCoordinator(gone.number));
  Must(store().RemoveCoordinator(gone.number));
  Must(store().RemoveCoordinator(kUnknown));

  EXPECT_EQ(ReasonOf(store().RenewCoordinator(gone.number, {})), reason::kCoordinatorUntrusted);
  EXPECT_EQ(ReasonOf(store().Probe(gone.observer(), kDue)), reason::kCoordinatorUntrusted);
  gone.session.reset();
  EXPECT_THAT(Must(store().Probe(host.observer(), kDue)).free_coordinators, IsEmpty());
}

TEST_P(StoreTest, GiveUp_AHeldLockIsKept) {
  Host host = AddHost();
  Host living = AddHost();

  EXPECT_THAT(Must(store().GiveUpCoordinators(host.observer(), {living.number, kUnknown})),
              IsEmpty());

  EXPECT_EQ(ReasonOf(store().RenewCoordinator(living.number, {})), "OK");
}

TEST_P(StoreTest, GiveUp_OnceAndOnlyTheNamed) {
  Host host = AddHost();
  Host lost = AddHost();
  Host also_lost = AddHost();
  lost.session.reset();
  also_lost.session.reset();
  ASSERT_TRUE(world().TurnUntil(
      [&] { return Must(store().Probe(host.observer(), kDue)).free_coordinators.size() == 2; }));

  EXPECT_THAT(Must(store().GiveUpCoordinators(host.observer(), {lost.number})),
              ElementsAre(lost.number));
  EXPECT_THAT(Must(store().GiveUpCoordinators(host.observer(), {lost.number})), IsEmpty());

  EXPECT_THAT(Must(store().Probe(host.observer(), kDue)).free_coordinators,
              ElementsAre(Field(&FreeCoordinator::number, also_lost.number)));
}

TEST_P(StoreTest, GiveUp_ItsPodsLive) {
  Host host = AddHost();
  Host lost = AddHost();
  Pod pod = Register(lost, "cart");
  lost.session.reset();
  ASSERT_TRUE(world().TurnUntil(
      [&] { return !Must(store().GiveUpCoordinators(host.observer(), {lost.number})).empty(); }));

  EXPECT_EQ(StateOf(pod), PodState::kAlive);
  EXPECT_EQ(Must(ResumeOne(store(), Returning(host, pod))).state, PodState::kAlive);
}

}  // namespace
}  // namespace vigil
