// A process that hangs counts as dead, though the library's own threads go on.
#include <gtest/gtest.h>

#include "client/journal.h"
#include "client/lease_keeper_fixture.h"
#include "client/scripted_coordinator.h"

namespace vigil::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class WatchdogRules : public LeaseKeeperTest {
 protected:
  // Hosted at 10 ms, with a watchdog of 700 ms.
  void BeWatched() {
    watchdog_ = milliseconds(700);
    BeHosted();
  }

  // And not a millisecond sooner. Only what it wants then is remembered.
  void ExpectLostAt(Duration when) {
    RunTo(when - milliseconds(1));
    EXPECT_EQ(keeper_->state(), SelfState::kAlive);
    Forget();
    RunTo(when);
    EXPECT_EQ(keeper_->state(), SelfState::kLost);
  }

  void Feed() { keeper_->OnFed(now_); }
};

TEST_F(WatchdogRules, Starved_ThePodIsLostAtOnceAndItsHostIsToldByTheEndOfTheStream) {
  BeWatched();
  ExpectLostAt(milliseconds(710));
  EXPECT_EQ(keeper_->why()->reason, Reason::kWatchdogStarved);
  EXPECT_EQ(keeper_->why()->message, "the application did not feed its watchdog for 700 ms");
  EXPECT_EQ(Take<action::Drop>().stream, stream_);
  EXPECT_FALSE(keeper_->next_wake());
}

TEST_F(WatchdogRules, Starved_NothingTakesItBack) {
  BeWatched();
  RunTo(milliseconds(710));
  ASSERT_EQ(keeper_->state(), SelfState::kLost);
  Forget();
  Feed();
  keeper_->OnTimer(now_);
  keeper_->OnHeartbeatAnswer(stream_, now_, 1, {true});
  RunTo(seconds(20));
  EXPECT_EQ(keeper_->state(), SelfState::kLost);
  EXPECT_EQ(Count<action::Heartbeat>() + Count<action::Open>(), 0U);
}

TEST_F(WatchdogRules, Fed_ThePodLivesOn) {
  BeWatched();
  for (int round = 1; round <= 20; ++round) {
    RunTo(milliseconds(600) * round);
    Feed();
    Look();
    if (Count<action::Heartbeat>() > 0) Answer();
  }
  EXPECT_EQ(keeper_->state(), SelfState::kAlive);
}

TEST_F(WatchdogRules, Fed_IsJudgedFromTheLastTimeHoweverOftenItIsTold) {
  BeWatched();
  RunTo(milliseconds(500));
  Feed();
  keeper_->OnFed(now_ - milliseconds(400));
  ExpectLostAt(milliseconds(1200));
}

TEST_F(WatchdogRules, Starved_WhileThePodMovesDropsTheResumeToo) {
  BeWatched();
  keeper_->OnDraining(stream_, now_);
  const auto resume = Opened();
  RunTo(milliseconds(710));
  EXPECT_EQ(keeper_->state(), SelfState::kLost);
  EXPECT_EQ(Count<action::Drop>(), 2U);
  Forget();
  keeper_->OnHosted(resume.stream, now_, kTerms);
  EXPECT_EQ(keeper_->state(), SelfState::kLost);
  EXPECT_EQ(Count<action::Heartbeat>(), 0U);
}

// A registration may take longer than the watchdog: the application waits for it.
TEST_F(WatchdogRules, Watch_BeginsWithTheRegistration) {
  watchdog_ = milliseconds(700);
  Begin(1);
  stream_ = Opened().stream;
  RunTo(milliseconds(900));
  EXPECT_EQ(keeper_->state(), SelfState::kJoining);
  keeper_->OnHosted(stream_, now_, kTerms);
  ExpectLostAt(milliseconds(1600));
}

TEST_F(WatchdogRules, Starved_ItMayStillLeave) {
  BeWatched();
  RunTo(milliseconds(710));
  Forget();
  keeper_->Leave(now_, seconds(5));
  EXPECT_TRUE(Opened().resume);
}

TEST_F(WatchdogRules, None_IsNeverStarved) {
  BeHosted();
  RunTo(milliseconds(2509));
  EXPECT_EQ(keeper_->state(), SelfState::kSuspended);
  EXPECT_FALSE(keeper_->why()->reason == Reason::kWatchdogStarved);
}

class WatchdogTest : public ::testing::Test {
 protected:
  void BeAlive(Duration watchdog) {
    session_.emplace(
        *Client::Create({.addresses = {coordinator_.address()}}),
        PodSession::Options{.name = "web-1", .watchdog = watchdog},
        PodSession::Callbacks{.on_change = [this](const Standing& s) { journal_.Add(s); }});
    ASSERT_TRUE(session_->AwaitRegistration());
  }

  std::optional<Standing> AwaitLost() {
    return journal_.Await([](const Standing& s) { return s.state == SelfState::kLost; });
  }

  Cluster cluster_;
  ScriptedCoordinator coordinator_{cluster_, 1};
  Journal<Standing> journal_;
  std::optional<PodSession> session_;
};

TEST_F(WatchdogTest, Hung_ThePodIsLostLongBeforeItsLeaseEndsAndItsStreamBreaks) {
  BeAlive(milliseconds(300));
  const auto lost = AwaitLost();
  ASSERT_TRUE(lost);
  EXPECT_LT(BootClock::now(), lost->alive_until);
  EXPECT_EQ(lost->why->reason, Reason::kWatchdogStarved);
  EXPECT_FALSE(session_->alive_until());
  EXPECT_TRUE(cluster_.Await([&] { return coordinator_.Count("stream_broken") == 1; }));
  session_->Feed();
  EXPECT_EQ(session_->standing().state, SelfState::kLost);
}

TEST_F(WatchdogTest, Fed_ThePodLivesBeyondItsFirstLeaseUntilItHangs) {
  BeAlive(seconds(1));
  const Time first_lease = session_->standing().lease_until;
  EXPECT_TRUE(cluster_.Await([&] {
    session_->Feed();
    return BootClock::now() > first_lease;
  }));
  EXPECT_TRUE(session_->alive_until());
  EXPECT_TRUE(AwaitLost());
}

}  // namespace
}  // namespace vigil::client
