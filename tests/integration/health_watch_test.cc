// Health as it is watched from outside the loops: one that does not turn is noticed.
#include "app/health_watch.h"

#include <gtest/gtest.h>

#include <deque>

#include "core/errors.h"

namespace vigil {
namespace {

using std::chrono::seconds;

class SettableClock final : public Clock {
 public:
  Instant Now() const override { return now; }
  Instant now{seconds(100)};
};

// Turns when it is told to, and its timers fire each time.
class HandTurnedLoop final : public Scheduler {
 public:
  void Post(std::function<void()> callback) override { posted.push_back(std::move(callback)); }
  std::unique_ptr<Timer> After(Duration, std::function<void()> callback) override {
    timer = std::move(callback);
    return nullptr;
  }

  void Turn() {
    while (!posted.empty()) {
      const auto callback = std::move(posted.front());
      posted.pop_front();
      callback();
    }
  }
  void TurnWithTimer() {
    Turn();
    if (const auto due = std::exchange(timer, nullptr)) due();
  }

  std::deque<std::function<void()>> posted;
  std::function<void()> timer;
};

class HealthWatchTest : public testing::Test {
 protected:
  HealthWatchTest() {
    watch_.Examined(std::nullopt);
    watch_.Start();
    Turn({&pods_, &log_});
  }

  void Turn(std::initializer_list<HandTurnedLoop*> loops) {
    for (int round = 0; round < 2; ++round) {
      for (HandTurnedLoop* loop : loops) loop->Turn();
      own_.TurnWithTimer();
    }
  }

  SettableClock clock_;
  HandTurnedLoop own_;
  HandTurnedLoop pods_;
  HandTurnedLoop log_;
  LinkHealth link_{.answered = seconds(0),
                   .renewed = seconds(0),
                   .answers = true,
                   .renews = true,
                   .sound = true,
                   .no_room_for_new = {},
                   .no_room_for_moved = {}};
  Health shown_;
  HealthWatch watch_{{.clock = clock_,
                      .scheduler = own_,
                      .loop = pods_,
                      .link = [this] { return link_; },
                      .log_loop = log_,
                      .log = [] { return LogHealth{.readable = true, .gave_up = false}; },
                      .trust_window = seconds(15),
                      .show = [this](const Health& health) { shown_ = health; }}};
};

TEST_F(HealthWatchTest, WhatTheLoopsSayIsPublishedAndShown) {
  for (const Sign sign : {Sign::kLive, Sign::kReady, Sign::kPods, Sign::kEvents}) {
    EXPECT_TRUE(watch_.Now().Says(sign));
    EXPECT_TRUE(shown_.Says(sign));
  }
  link_.answers = false;
  Turn({&pods_, &log_});
  EXPECT_EQ(watch_.Now().FirstFailing(Sign::kReady)->name, "database");
  EXPECT_EQ(shown_.FirstFailing(Sign::kReady)->name, "database");
}

TEST_F(HealthWatchTest, ALoopThatDoesNotTurnIsNoticed) {
  Turn({&pods_});
  clock_.now += seconds(9);
  Turn({&pods_});
  EXPECT_TRUE(watch_.Now().Says(Sign::kLive));
  clock_.now += seconds(1);
  Turn({&pods_});
  const Health health = watch_.Now();
  ASSERT_NE(health.FirstFailing(Sign::kLive), nullptr);
  EXPECT_EQ(health.FirstFailing(Sign::kLive)->sentence, "the loop of the event log does not turn");
  EXPECT_FALSE(health.Says(Sign::kReady)) << "what it last said is old";
  EXPECT_FALSE(shown_.Says(Sign::kPods));
  EXPECT_EQ(log_.posted.size(), 1u) << "it is not asked again meanwhile";
  Turn({&pods_, &log_});
  EXPECT_TRUE(watch_.Now().Says(Sign::kLive));
}

TEST_F(HealthWatchTest, AWatchThatDoesNotTurnIsNoticedByWhoAsks) {
  clock_.now += seconds(10);
  const Health health = watch_.Now();
  ASSERT_NE(health.FirstFailing(Sign::kLive), nullptr);
  EXPECT_EQ(health.FirstFailing(Sign::kLive)->sentence,
            "the loop of the health watch does not turn");
  EXPECT_FALSE(health.Says(Sign::kReady));
  Turn({&pods_, &log_});
  EXPECT_TRUE(watch_.Now().Says(Sign::kReady));
}

TEST_F(HealthWatchTest, BeforeItHasLookedNothingIsPromised) {
  HealthWatch fresh({.clock = clock_,
                     .scheduler = own_,
                     .loop = pods_,
                     .link = [this] { return link_; },
                     .log_loop = log_,
                     .log = [] { return LogHealth{}; },
                     .trust_window = seconds(15),
                     .show = [](const Health&) {}});
  EXPECT_TRUE(fresh.Now().Says(Sign::kLive));
  EXPECT_EQ(fresh.Now().FirstFailing(Sign::kReady)->name, "examination");
}

TEST_F(HealthWatchTest, DrainingAndAnUnfitDatabaseShowAtOnce) {
  watch_.Examined(DatabaseUnavailable("the schema is missing"));
  EXPECT_EQ(watch_.Now().FirstFailing(Sign::kReady)->name, "examination");
  watch_.Drain();
  EXPECT_EQ(watch_.Now().FirstFailing(Sign::kReady)->name, "draining");
  EXPECT_EQ(shown_.FirstFailing(Sign::kEvents)->name, "draining");
  EXPECT_TRUE(watch_.Now().Says(Sign::kLive));
}

}  // namespace
}  // namespace vigil
