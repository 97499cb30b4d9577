// How seldom the database is asked for what operators look at.
#include "coordinator/overviews.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/errors.h"
#include "store/memory/memory_database.h"
#include "support/simulated_time.h"

namespace vigil {
namespace {

using ::testing::ElementsAre;

class OverviewsTest : public testing::Test {
 protected:
  // What the answers of this many askers are, as soon as they are there: the number of the reading,
  // or a reason.
  std::vector<std::string> Ask(const std::string& ns, int askers = 1) {
    std::vector<std::string> answers;
    for (int i = 0; i < askers; ++i) AskFor(ns, answers);
    time_.Settle();
    return answers;
  }

  void AskFor(const std::string& ns, std::vector<std::string>& answers) {
    overviews_.Get(ns, [&answers](const Result<Overviews::Text>& answer) {
      answers.push_back(answer ? **answer : std::string(answer.error().reason));
    });
  }

  SimulatedClock clock_;
  SimulatedScheduler time_{clock_};
  MemoryDatabase database_{time_};
  SimulatedLane lane_{database_, time_};
  int readings_ = 0;
  Overviews overviews_{{.lane = lane_,
                        .scheduler = time_,
                        .clock = clock_,
                        .subscribers = [] { return size_t{7}; },
                        .write =
                            [this](const std::string&, const Overview&, size_t subscribers) {
                              return std::to_string(++readings_) + "/" +
                                     std::to_string(subscribers);
                            }}};
};

TEST_F(OverviewsTest, Viewers_ShareOneReadingASecond) {
  EXPECT_THAT(Ask("shop", 3), ElementsAre("1/7", "1/7", "1/7"));
  time_.Advance(std::chrono::milliseconds(999));
  EXPECT_THAT(Ask("shop"), ElementsAre("1/7"));
  time_.Advance(std::chrono::milliseconds(1));
  EXPECT_THAT(Ask("shop", 2), ElementsAre("2/7", "2/7"));
}

TEST_F(OverviewsTest, Viewers_OfDifferentNamespacesHaveTheirOwn) {
  std::vector<std::string> answers;
  AskFor("shop", answers);
  AskFor("bank", answers);
  AskFor("shop", answers);
  time_.Settle();
  EXPECT_THAT(answers, testing::UnorderedElementsAre("1/7", "1/7", "2/7"));
}

TEST_F(OverviewsTest, DatabaseAway_ItIsSaidAndNotAskedAgainAtOnce) {
  database_.SetAway(true);
  EXPECT_THAT(Ask("shop", 2),
              ElementsAre(reason::kDatabaseUnavailable, reason::kDatabaseUnavailable));
  database_.SetAway(false);
  EXPECT_THAT(Ask("shop"), ElementsAre(reason::kDatabaseUnavailable));
  time_.Advance(Overviews::kFresh);
  EXPECT_THAT(Ask("shop"), ElementsAre("1/7"));
}

TEST_F(OverviewsTest, Namespaces_TheOldestMakesRoom) {  // P11
  for (size_t i = 0; i < 3 * Overviews::kMostNamespaces; ++i) Ask(std::to_string(i));
  EXPECT_EQ(readings_, static_cast<int>(3 * Overviews::kMostNamespaces));
}

TEST_F(OverviewsTest, Waiting_IsBounded) {  // P11
  std::vector<std::string> answers;
  for (size_t i = 0; i <= Overviews::kMostNamespaces; ++i) AskFor(std::to_string(i), answers);
  for (size_t i = 0; i < Overviews::kMostWaiting; ++i) AskFor("0", answers);
  time_.Settle();
  EXPECT_EQ(std::ranges::count(answers, std::string(reason::kLimitReached)), 2);
  EXPECT_EQ(answers.size(), 1 + Overviews::kMostNamespaces + Overviews::kMostWaiting);
}

}  // namespace
}  // namespace vigil
