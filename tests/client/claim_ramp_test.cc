// One survivor does not swallow everything, and asks for what is left without haste.
#include "claim_ramp.h"

#include <gtest/gtest.h>

#include <vector>

namespace vigil::client {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint32_t kRoom = 1000;

class ClaimRampTest : public ::testing::Test {
 protected:
  std::uint32_t AskFor(std::uint32_t room) {
    EXPECT_TRUE(ramp_.ask_at());
    now_ = std::max(now_, ramp_.ask_at().value_or(now_));
    return ramp_.Ask(room);
  }

  // How long it rests before the next question.
  Duration Rest() const { return *ramp_.ask_at() - now_; }

  double random_ = 0.5;
  Time now_{seconds(1000)};
  ClaimRamp ramp_{seconds(10), [this] { return random_; }, now_};
};

TEST_F(ClaimRampTest, Ramp_AsksForOneTwoFourAndSoOn) {
  std::vector<std::uint32_t> asked;
  for (int i = 0; i < 9; ++i) {
    asked.push_back(AskFor(kRoom));
    ramp_.OnAnswer(now_, asked.back());
  }
  EXPECT_EQ(asked, (std::vector<std::uint32_t>{1, 2, 4, 8, 16, 32, 64, 100, 100}));
}

TEST_F(ClaimRampTest, Ramp_NeverAsksForMoreThanThereIsRoomFor) {
  for (int i = 0; i < 4; ++i) ramp_.OnAnswer(now_, AskFor(kRoom));
  EXPECT_EQ(AskFor(3), 3U);
}

TEST_F(ClaimRampTest, Ramp_BeginsWithOneAgainWhenNothingIsLeft) {
  for (int i = 0; i < 3; ++i) ramp_.OnAnswer(now_, AskFor(kRoom));
  AskFor(kRoom);
  ramp_.OnAnswer(now_, 0);
  EXPECT_GE(Rest(), seconds(5));
  EXPECT_LE(Rest(), seconds(10));
  now_ += ClaimRamp::kFirstRest;
  ramp_.Wake(now_);
  EXPECT_LE(Rest(), ClaimRamp::kSpread);
  EXPECT_EQ(AskFor(kRoom), 1U);
}

// Others may have had some of them locked; and what is quarantined counts.
TEST_F(ClaimRampTest, Ramp_FewerThanWereAskedForIsNotTheEnd) {
  ramp_.OnAnswer(now_, AskFor(kRoom));
  AskFor(kRoom);
  ramp_.OnAnswer(now_, 1);
  EXPECT_LE(Rest(), ClaimRamp::kSpread);
}

TEST_F(ClaimRampTest, Ramp_WaitsARandomMomentBeforeEachQuestion) {
  random_ = 0.25;
  ramp_.OnAnswer(now_, AskFor(kRoom));
  EXPECT_EQ(Rest(), ClaimRamp::kSpread / 4);
  random_ = 0.75;
  ramp_.OnAnswer(now_, AskFor(kRoom));
  EXPECT_EQ(Rest(), ClaimRamp::kSpread / 4 * 3);
}

TEST_F(ClaimRampTest, Ramp_AsksOneQuestionAtATime) {
  AskFor(kRoom);
  EXPECT_FALSE(ramp_.ask_at());
  ramp_.Wake(now_);
  EXPECT_FALSE(ramp_.ask_at());
}

TEST_F(ClaimRampTest, Ramp_AWakeUpDuringAQuestionIsNotLost) {
  AskFor(kRoom);
  ramp_.Wake(now_);
  ramp_.OnAnswer(now_, 0);
  EXPECT_LE(Rest(), ClaimRamp::kFirstRest);
}

// What is for others wakes everybody.
TEST_F(ClaimRampTest, Ramp_AnEmptyAnswerIsFollowedByARestThatNoEventCutsShort) {
  AskFor(kRoom);
  ramp_.OnAnswer(now_, 0);
  ramp_.Wake(now_);
  EXPECT_GE(Rest(), ClaimRamp::kFirstRest / 2);
  EXPECT_LE(Rest(), ClaimRamp::kFirstRest);
}

TEST_F(ClaimRampTest, Ramp_RestsGrowWhileEventsLeadToNothing) {
  std::vector<Duration> rests;
  for (int i = 0; i < 8; ++i) {
    AskFor(kRoom);
    ramp_.OnAnswer(now_, 0);
    ramp_.Wake(now_);
    rests.push_back(Rest());
  }
  EXPECT_GT(rests[1], rests[0]);
  EXPECT_GT(rests[2], rests[1]);
  EXPECT_LE(rests.back(), ClaimRamp::kLongestRest);
  ramp_.OnAnswer(now_, AskFor(kRoom));
  AskFor(kRoom);
  ramp_.OnAnswer(now_, 0);
  ramp_.Wake(now_);
  EXPECT_EQ(Rest(), rests.front()) << "there was something";
}

TEST_F(ClaimRampTest, Ramp_RestsDoNotGrowWhileItOnlyPolls) {
  for (int i = 0; i < 8; ++i) {
    AskFor(kRoom);
    ramp_.OnAnswer(now_, 0);
  }
  ramp_.Wake(now_);
  EXPECT_LE(Rest(), ClaimRamp::kFirstRest);
}

TEST_F(ClaimRampTest, Ramp_WhatIsGivenBackIsNotTakenAgainWithoutRest) {
  std::vector<Duration> rests;
  for (int i = 0; i < 9; ++i) {
    ramp_.OnAnswer(now_, AskFor(kRoom));
    ramp_.OnGivenBack(now_);
    ramp_.Wake(now_);
    rests.push_back(Rest());
  }
  EXPECT_GE(rests[0], ClaimRamp::kFirstRest / 2);
  EXPECT_GT(rests[1], rests[0]);
  EXPECT_GE(rests.back(), seconds(5));
  EXPECT_LE(rests.back(), seconds(10));
  now_ += rests.back();
  ramp_.OnCompleted();
  ramp_.OnGivenBack(now_);
  EXPECT_EQ(Rest(), rests.front()) << "something was completed";
}

TEST_F(ClaimRampTest, Ramp_TroubleIsMetEverMoreSlowly) {
  std::vector<Duration> rests;
  for (int i = 0; i < 8; ++i) {
    AskFor(kRoom);
    ramp_.OnTrouble(now_);
    rests.push_back(Rest());
  }
  EXPECT_GE(rests.front(), ClaimRamp::kFirstRest / 2);
  EXPECT_GT(rests.back(), rests.front());
  EXPECT_LE(rests.back(), seconds(10));
}

}  // namespace
}  // namespace vigil::client
